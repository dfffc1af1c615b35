/** Scripts for other programs, as text: `import list from "./list.py" with { type: "text" }`. */
declare module "*.py" {
  const text: string;
  export default text;
}

declare module "*.sh" {
  const text: string;
  export default text;
}

declare module "*.cjs" {
  const text: string;
  export default text;
}
