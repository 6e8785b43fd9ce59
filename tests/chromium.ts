/**
 * A headless Chromium, for tests that look at pages.
 *
 * @module
 */

import type { Browser } from "playwright-core";

const PATHS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Chromium makes connections of its own without these, and needs no graphics card. */
const ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Where Chromium is, or why none can be run here. */
export function findChromium(): { readonly path: string } | { readonly reason: string } {
  for (const name of ["sys", "env", "run", "read", "write", "net"] as const) {
    if (Deno.permissions.querySync({ name }).state !== "granted") {
      return { reason: `this needs --allow-${name}` };
    }
  }
  const given = Deno.env.get("CHROMIUM");
  for (const path of given === undefined ? PATHS : [given]) {
    try {
      if (Deno.statSync(path).isFile) return { path };
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return { reason: "there is no Chromium; Debian's package is chromium, CHROMIUM names another" };
}

/** Starts it. */
export async function launchChromium(executablePath: string): Promise<Browser> {
  // Loading it takes permissions that a test which is skipped does not have.
  const { chromium } = await import("playwright-core");
  return await chromium.launch({ executablePath, args: ARGS });
}
