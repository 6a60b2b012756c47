// The library, in modules that bundlers can shake; and Vitest.
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "vite";
import { defineConfig } from "vitest/config";

const WORKLET = fileURLToPath(new URL("src/audio/worklet.ts", import.meta.url));
const VIRTUAL = "virtual:worklet";

/** What runs on the audio thread, bundled to one script: as a text in the library, and as a file. */
function worklet(): Plugin {
  let code: Promise<string> | undefined;
  const bundled = () => {
    code ??= build({
      configFile: false,
      logLevel: "warn",
      build: { write: false, lib: { entry: WORKLET, formats: ["es"], fileName: "worklet" } },
    }).then((built) => {
      const [result] = Array.isArray(built) ? built : [built];
      if (!result || !("output" in result)) throw new Error("the worklet was not built");
      return result.output[0].code;
    });
    return code;
  };
  return {
    name: "worklet",
    resolveId: (id) => (id === VIRTUAL ? `\0${VIRTUAL}` : null),
    load: async (id) =>
      id === `\0${VIRTUAL}` ? `export default ${JSON.stringify(await bundled())};` : null,
    async generateBundle() {
      this.emitFile({ type: "asset", fileName: "worklet.js", source: await bundled() });
    },
  };
}

export default defineConfig({
  plugins: [worklet()],
  build: {
    target: "es2022",
    sourcemap: true,
    minify: false,
    lib: {
      entry: ["src/index.ts", "src/audio/index.ts", "src/react/index.ts"],
      formats: ["es"],
    },
    rolldownOptions: {
      external: [/^react($|\/)/, "ws"],
      // Module by module, as the declarations are: what a page does not use is not loaded.
      output: { preserveModules: true, preserveModulesRoot: "src", entryFileNames: "[name].js" },
    },
  },
  test: {
    globalSetup: "test/server.ts",
    // One server answers them all, on the same cores.
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 300_000,
  },
});
