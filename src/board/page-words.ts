import type { Language } from "../site/home.ts";

/** What the board's page says; `{}` stands for a time or a name. */
export interface PageWords {
  apps: string;
  none: string;
  up: string;
  down: string;
  stopped: string;
  closed: string;
  /** An app that visitors do not reach: a bot, say. */
  noPage: string;
  since: string;
  push: string;
  pushSays: string;
  client: string;
  newer: string;
  made: string;
}

export const pageWords: Readonly<Record<Language, PageWords>> = {
  en: {
    apps: "Apps on this board",
    none: "There are none yet.",
    up: "up",
    down: "down",
    stopped: "stopped",
    closed: "closed for maintenance",
    noPage: "no page",
    since: "since {}",
    push: "Put an app on this board",
    pushSays: "In the directory of the app, on your own computer; APP is a name of your choice:",
    client: "With piku on your computer:",
    newer: "A newer piku, {}, is out. To update:",
    made: "As of {}.",
  },
  de: {
    apps: "Apps auf diesem Board",
    none: "Noch keine.",
    up: "läuft",
    down: "läuft nicht",
    stopped: "angehalten",
    closed: "wegen Wartung geschlossen",
    noPage: "keine Seite",
    since: "seit {}",
    push: "Eine App auf dieses Board bringen",
    pushSays: "Im Verzeichnis der App, auf dem eigenen Rechner; APP ist ein Name nach Wahl:",
    client: "Mit piku auf dem eigenen Rechner:",
    newer: "Es gibt ein neueres piku, {}. So wird aktualisiert:",
    made: "Stand: {}.",
  },
  es: {
    apps: "Aplicaciones en esta placa",
    none: "Todavía no hay ninguna.",
    up: "en marcha",
    down: "no funciona",
    stopped: "detenida",
    closed: "cerrada por mantenimiento",
    noPage: "sin página",
    since: "desde {}",
    push: "Poner una aplicación en esta placa",
    pushSays: "En el directorio de la aplicación, en tu ordenador; APP es un nombre a tu elección:",
    client: "Con piku en tu ordenador:",
    newer: "Hay un piku más nuevo, {}. Para actualizar:",
    made: "Actualizado: {}.",
  },
  fr: {
    apps: "Applications sur cette carte",
    none: "Il n'y en a pas encore.",
    up: "en marche",
    down: "ne marche pas",
    stopped: "arrêtée",
    closed: "fermée pour maintenance",
    noPage: "sans page",
    since: "depuis {}",
    push: "Mettre une application sur cette carte",
    pushSays: "Dans le dossier de l'application, sur votre ordinateur ; APP est un nom au choix :",
    client: "Avec piku sur votre ordinateur :",
    newer: "Un piku plus récent, {}, est disponible. Pour mettre à jour :",
    made: "Mis à jour : {}.",
  },
  pt: {
    apps: "Aplicações nesta placa",
    none: "Ainda não há nenhuma.",
    up: "em funcionamento",
    down: "não funciona",
    stopped: "parada",
    closed: "fechada para manutenção",
    noPage: "sem página",
    since: "desde {}",
    push: "Colocar uma aplicação nesta placa",
    pushSays: "No diretório da aplicação, no seu computador; APP é um nome à sua escolha:",
    client: "Com o piku no seu computador:",
    newer: "Há um piku mais recente, {}. Para atualizar:",
    made: "Atualizado: {}.",
  },
};
