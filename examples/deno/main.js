import ms from "ms";

Deno.serve(
  { hostname: Deno.env.get("BIND_ADDRESS"), port: Number(Deno.env.get("PORT")) },
  () => new Response(`Hello from Deno, ${ms(60000)}\n`),
);
