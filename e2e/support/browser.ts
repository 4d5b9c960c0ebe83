import { chromium, type Browser } from 'playwright-core';
import { CHROMIUM, ensureProgram } from '../../scripts/system-program.ts';

/** The system's own Chromium, headless, installed when it is missing. SPOOR_CHROMIUM names another. */
export async function launchBrowser(): Promise<Browser> {
  const executablePath = process.env['SPOOR_CHROMIUM'] ?? (await ensureProgram(CHROMIUM));
  return chromium.launch({
    executablePath,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
