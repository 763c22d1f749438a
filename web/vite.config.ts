/** How the page is built: into the Python package, in files small enough to load one by one. */
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const service = process.env.AIVC_SERVICE ?? "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [react()],
  base: "/",
  server: { proxy: { "/api": service } },
  preview: { proxy: { "/api": service } },
  build: {
    outDir: "../src/aivc/service/page",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  // A browser is imitated only for tests of parts; making one takes longer than the tests.
  test: {
    projects: [
      { extends: true, test: { name: "logic", environment: "node", include: ["src/**/*.test.ts"] } },
      { extends: true, test: { name: "parts", environment: "jsdom", include: ["src/**/*.test.tsx"] } },
    ],
  },
});
