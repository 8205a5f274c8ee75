import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { onTestFinished } from 'vitest';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const PATH = (process.env.PATH ?? '').split(delimiter);

const executable = PATH.flatMap((folder) => NAMES.map((name) => join(folder, name))).find((file) => existsSync(file));

/** Says so when there is no browser; its tests are skipped then. */
export function browserPresent(): boolean {
  if (!executable) console.warn('There is no Chromium: the tests of the pages in a browser are skipped.');
  return executable !== undefined;
}

/** A real Chromium. Its sandbox needs what containers and root do not have. */
export function openBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: executable!, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}

export interface Watched {
  page: Page;
  /** What the browser complained about: errors of scripts, and what the policy has kept from running. */
  complaints: string[];
}

/** A page of its own, closed with the test. */
export async function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<Watched> {
  const context = await browser.newContext(options);
  onTestFinished(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  return { page, complaints };
}
