import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/** `npm run build:ui` writes ui/dist; scripts/build-ui.ts does the same, only when something changed, and compresses it. */
export default defineConfig({
  root: import.meta.dirname,
  plugins: [react()],
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2023',
    // A data: URL for a module or a style would need a looser policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
});
