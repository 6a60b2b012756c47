// The page, and behind it the server at SERVER_URL: to the browser both are one site.
import { defineConfig } from "vite";

const target = process.env.SERVER_URL ?? "http://127.0.0.1:8000";
const proxy = {
  "/asr": { target, ws: true },
  "/ws": { target, ws: true },
  "/v1": { target, ws: true },
};

export default defineConfig({
  server: { proxy },
  preview: { proxy },
  // The client lies beside, with a React of its own for its tests.
  resolve: { dedupe: ["react", "react-dom"] },
});
