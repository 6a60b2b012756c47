// A real server for all tests: the one at SERVER_URL, or one that is started for them and
// stopped after, from the checkout that this client lies in.
import { execFile } from "node:child_process";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    url: string;
  }
}

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const CHORUS = process.env.CHORUS ?? `${ROOT}.venv/bin/chorus`;
const run = promisify(execFile);

export default async function setup(project: TestProject): Promise<(() => Promise<void>) | void> {
  const there = process.env.SERVER_URL;
  if (there) {
    project.provide("url", there);
    return;
  }
  const [port, metricsPort] = [await freePort(), await freePort()];
  const options = { cwd: ROOT, env: { ...process.env, CHORUS_METRICS_PORT: `${metricsPort}` } };
  await run(CHORUS, ["serve", "configs/tiny.yaml", "--port", `${port}`, "--background"], options);
  project.provide("url", `http://127.0.0.1:${port}`);
  return async () => {
    await run(CHORUS, ["stop", "--port", `${port}`], options);
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const listener = createServer().once("error", reject);
    listener.listen(0, "127.0.0.1", () => {
      const address = listener.address();
      listener.close(() =>
        typeof address === "object" && address ? resolve(address.port) : reject(),
      );
    });
  });
}
