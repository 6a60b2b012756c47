/** The built worklet, as text; vite.config.ts makes it. */
declare module "virtual:worklet" {
  const code: string;
  export default code;
}
