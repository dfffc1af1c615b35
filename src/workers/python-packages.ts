/** Packages whose name is not that of the module that a program imports. */
const modulePackages: Record<string, string> = {
  cv2: "opencv-python-headless",
  PIL: "pillow",
  yaml: "pyyaml",
  dotenv: "python-dotenv",
  decouple: "python-decouple",
  sklearn: "scikit-learn",
  skimage: "scikit-image",
  bs4: "beautifulsoup4",
  dateutil: "python-dateutil",
  jwt: "pyjwt",
  jose: "python-jose",
  serial: "pyserial",
  usb: "pyusb",
  telegram: "python-telegram-bot",
  discord: "discord.py",
  MySQLdb: "mysqlclient",
  mysql: "mysql-connector-python",
  psycopg2: "psycopg2-binary",
  psycopg: "psycopg[binary]",
  Crypto: "pycryptodome",
  OpenSSL: "pyopenssl",
  docx: "python-docx",
  pptx: "python-pptx",
  fitz: "pymupdf",
  magic: "python-magic",
  slugify: "python-slugify",
  multipart: "python-multipart",
  socketio: "python-socketio",
  engineio: "python-engineio",
  rest_framework: "djangorestframework",
  corsheaders: "django-cors-headers",
  crispy_forms: "django-crispy-forms",
  environ: "django-environ",
  dj_database_url: "dj-database-url",
  debug_toolbar: "django-debug-toolbar",
  allauth: "django-allauth",
  django_filters: "django-filter",
  django_extensions: "django-extensions",
  storages: "django-storages",
  flask_sqlalchemy: "flask-sqlalchemy",
  flask_migrate: "flask-migrate",
  flask_login: "flask-login",
  flask_wtf: "flask-wtf",
  flask_cors: "flask-cors",
  flask_socketio: "flask-socketio",
  flask_restful: "flask-restful",
  flask_mail: "flask-mail",
  flask_bcrypt: "flask-bcrypt",
  pydantic_settings: "pydantic-settings",
  bson: "pymongo",
  gridfs: "pymongo",
  pkg_resources: "setuptools<81",
  distutils: "setuptools",
  attr: "attrs",
  git: "gitpython",
  github: "pygithub",
  googleapiclient: "google-api-python-client",
  "google.genai": "google-genai",
  "google.generativeai": "google-generativeai",
  paho: "paho-mqtt",
  websocket: "websocket-client",
  zmq: "pyzmq",
  nacl: "pynacl",
  ldap: "python-ldap",
  Levenshtein: "levenshtein",
  RPi: "rpi-lgpio",
  smbus: "smbus2",
  board: "adafruit-blinka",
  speech_recognition: "SpeechRecognition",
  wx: "wxPython",
  gi: "pygobject",
};

/** The package that brings a module. */
export const packageOf = (module: string) =>
  [module.split(".").slice(0, 2).join("."), module.split(".")[0]!]
    .map((name) => (Object.hasOwn(modulePackages, name) ? modulePackages[name] : undefined))
    .find((name) => name !== undefined) ?? module.split(".")[0]!;

/** Programs that a Python package brings, by their name; the package where that is another. */
const pythonPrograms: Record<string, string> = {
  "waitress-serve": "waitress",
  "django-admin": "django",
  "huey_consumer.py": "huey",
  rq: "rq",
  pserve: "pyramid",
  "jupyter-lab": "jupyterlab",
  fastapi: "fastapi[standard]",
};

const namedLikePackage =
  /^(gunicorn|uvicorn|hypercorn|daphne|flask|streamlit|celery|gradio|chainlit|panel|voila|mkdocs|sanic|granian|alembic|sphinx-build|pytest|litestar|robyn|quart|bokeh|solara|nicegui|mesop|dramatiq|scrapy|datasette|honcho|jupyter|meinheld)$/;

/** The package that brings a program; undefined for one that none is known to bring. */
export const packageOfProgram = (program: string) =>
  Object.hasOwn(pythonPrograms, program)
    ? pythonPrograms[program]
    : namedLikePackage.test(program)
      ? program
      : undefined;

/** Modules of Python that Debian packs apart. */
export const debianModules: Record<string, string> = {
  tkinter: "python3-tk",
  _tkinter: "python3-tk",
  turtle: "python3-tk",
  venv: "python3-venv",
  ensurepip: "python3-venv",
  pip: "python3-pip",
  apt: "python3-apt",
};

/** Modules that newer versions of Python no longer have (PEP 594, and asyncore of 3.12). */
export const removedModules =
  /^(aifc|asynchat|asyncore|audioop|cgi|cgitb|chunk|crypt|imghdr|imp|lib2to3|mailcap|msilib|nis|nntplib|ossaudiodev|pipes|smtpd|sndhdr|spwd|sunau|telnetlib|uu|xdrlib)$/;

/** Names that programs usually give to files of their own. */
export const usualOwnModules =
  /^(api|app|auth|bot|client|common|config|configuration|constants|controllers?|core|custom|data|database|db|extensions|forms|functions|game|handlers?|helpers?|keys|lib|logic|main|model|models|my\w*|project|routers?|routes|schemas?|secrets?_\w+|secret|server|services?|settings|shared|src|tasks|tools?|utils?|utilities|urls|views?|website|worker)$/;
