/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The page of a report in a real browser: it shows, zooms, searches, prints, and runs nothing that an image says.
 *
 * Needs Chromium and all permissions; where it can't run, it says so.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { saveImage } from "../analyze/image/save.ts";
import { findChromium, launchChromium } from "./chromium.ts";
import { migstream, withFolder } from "./process.ts";
import { hostileImage } from "./report_images.ts";
import { loadCase, loadStream } from "./testdata.ts";

const found = findChromium();
if ("reason" in found) {
  console.warn(`\n*** SKIPPED: reports are NOT tested in a browser: ${found.reason}.\n`);
}

const DESKTOP = { viewport: { width: 1280, height: 900 } };
const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true };

/** Opens pages and collects what goes wrong in them. */
class Tester {
  readonly problems: string[] = [];
  readonly #browser: Browser;
  readonly #folder: string;

  constructor(browser: Browser, folder: string) {
    this.#browser = browser;
    this.#folder = folder;
  }

  /** Writes a report of files with the given contents, and opens it. */
  async report(
    contents: Readonly<Record<string, Uint8Array>>,
    context: BrowserContextOptions = DESKTOP,
  ): Promise<Page> {
    const paths = Object.entries(contents).map(([name, bytes]) => {
      const path = `${this.#folder}/${name}`;
      Deno.writeFileSync(path, bytes);
      return path;
    });
    return await this.reportOf(paths, context);
  }

  /** Writes a report of inputs, and opens it. */
  async reportOf(
    paths: readonly string[],
    context: BrowserContextOptions = DESKTOP,
  ): Promise<Page> {
    const output = `${this.#folder}/report.html`;
    const args = ["report", ...paths, "-o", output, "--force"];
    const { code, err } = await migstream(args, { permissions: ["-R", "-W", "-E"] });
    assertEquals(code, 0, err);
    const page = await (await this.#browser.newContext(context)).newPage();
    page.on("console", (message) => this.problems.push(message.text()));
    page.on("pageerror", (error) => this.problems.push(error.message));
    page.on("request", (request) => {
      if (!request.url().startsWith("file:")) this.problems.push(`asks for ${request.url()}`);
    });
    await page.goto(`file://${output}`);
    await page.waitForSelector("footer");
    return page;
  }
}

function browserTest(name: string, run: (tester: Tester) => Promise<void>): void {
  if ("reason" in found) {
    Deno.test({
      name: `report in a browser: SKIPPED, ${found.reason}: ${name}`,
      ignore: true,
      fn() {},
    });
    return;
  }
  Deno.test({
    name: `report in a browser: ${name}`,
    // The connection to the browser is the library's own matter.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      await withFolder(async (folder) => {
        const browser = await launchChromium(found.path);
        try {
          const tester = new Tester(browser, folder);
          await run(tester);
          assertEquals(tester.problems, []);
        } finally {
          await browser.close();
        }
      });
    },
  });
}

/** How many different colours a canvas shows. */
function colorsOf(page: Page, selector: string): Promise<number> {
  return page.locator(selector).first().evaluate((canvas: HTMLCanvasElement) => {
    const context = canvas.getContext("2d")!;
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    return new Set(new Uint32Array(data.buffer)).size;
  });
}

/** Whether anything stands out of the page to the right. */
function overflowOf(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
}

browserTest("everything of a live migration is there", async (tester) => {
  const page = await tester.report({ "guest.mig": loadStream("pc-live") });
  assertMatch(await page.title(), /^guest\.mig/);
  assertEquals(await page.locator("h1").innerText(), "guest.mig");
  assertEquals(await page.locator(".verdict").innerText(), "Valid");
  assertEquals(
    await page.locator("nav a").allInnerTexts(),
    ["The file", "Validation", "Memory", "Migration", "Devices", "Registers"],
  );
  assert(await colorsOf(page, "canvas.strip") >= 4);
  assert(await colorsOf(page, "canvas.map") >= 2);
  assert(await page.locator(".chart rect").count() > 1);
  assertStringIncludes(await page.locator(".physical").innerText(), "pc.ram");
  assertStringIncludes(await page.locator(".registers").first().innerText(), "rip");
  assertEquals(await overflowOf(page), 0);
});

browserTest("the strip zooms by mouse, keys and offsets", async (tester) => {
  const page = await tester.report({ "guest.mig": loadStream("pc") });
  const strip = page.locator("canvas.strip");
  const detail = page.locator(".strip-box .detail");
  const range = page.locator(".strip-box .range");
  await strip.focus();
  assertStringIncludes(await detail.innerText(), "file header");
  await page.keyboard.press("ArrowRight");
  assertStringIncludes(await detail.innerText(), "configuration");
  await page.keyboard.press("End");
  assertStringIncludes(await detail.innerText(), "vmdescription");
  const whole = await range.innerText();
  assertMatch(whole, /^all /);
  await page.keyboard.press("Enter");
  assertMatch(await range.innerText(), /KiB from 0x/);
  await page.keyboard.press("Escape");
  assertEquals(await range.innerText(), whole);
  const box = (await strip.boundingBox())!;
  await page.mouse.move(box.x + box.width / 2, box.y + 40);
  assertStringIncludes(await detail.innerText(), "ram/0");
  await page.keyboard.down("Control");
  await page.mouse.wheel(0, -600);
  await page.keyboard.up("Control");
  assertMatch(await range.innerText(), / from 0x/);

  // A field by its offset, which the tree tells.
  await page.getByLabel("Search the devices").fill("cpu/0/env.eip");
  const place = page.locator(".results .row button.link").first();
  const offset = await place.innerText();
  await page.getByLabel("Go to offset").fill(offset);
  await page.keyboard.press("Enter");
  assertStringIncludes(await detail.innerText(), "cpu/0");
  for (let step = 0; step < 12; step++) await page.getByLabel("Zoom in").click();
  await page.mouse.move(box.x + box.width / 2, box.y + 40);
  assertStringIncludes(await detail.innerText(), "env.eip = ");
  await page.getByLabel("Go to offset").fill("0xffffffffff");
  await page.keyboard.press("Enter");
  const message = await page.getByLabel("Go to offset").evaluate((input: HTMLInputElement) =>
    input.validationMessage
  );
  assertStringIncludes(message, "An offset from 0x0");
});

browserTest("devices open, are found, and lead to the strip", async (tester) => {
  const page = await tester.report({ "guest.mig": loadStream("q35-virtio") });
  const cpu = page.locator("details.device", { hasText: "cpu/0" }).first();
  await cpu.locator("summary").first().focus();
  await page.keyboard.press("Enter");
  // What is inside is made when it opens.
  await cpu.locator(".fields .row").nth(20).waitFor();
  assertStringIncludes(await cpu.innerText(), "env.eip");
  await page.getByRole("button", { name: "Collapse" }).click();
  assertEquals(await cpu.locator(".fields").isVisible(), false);

  const search = page.getByLabel("Search the devices");
  await search.fill("ENV.segs base");
  await page.waitForSelector(".results .row");
  const paths = await page.locator(".results .row > .name").allInnerTexts();
  assert(paths.length > 3 && paths.every((path) => /env\.segs\[\d+\]\.base/.test(path)));
  await page.locator(".results .row button.link").first().click();
  assertMatch(await page.locator(".strip-box .range").innerText(), / from 0x/);
  await search.fill("");
  await page.waitForSelector(".results", { state: "hidden" });
  assertEquals(await page.locator("details.device").first().isVisible(), true);
});

browserTest("nothing runs that an image says", async (tester) => {
  await withFolder(async (folder) => {
    const path = `${folder}/<img src=x onerror=window.hacked=1>.img`;
    await saveImage(hostileImage(), path, { to: "stream", sync: false });
    const page = await tester.reportOf([path, path]);
    await page.evaluate(() => {
      for (const details of document.querySelectorAll("details")) details.open = true;
    });
    await page.waitForTimeout(100);
    assertStringIncludes(await page.locator("main").innerText(), "<script>window.hacked=1");
    assertEquals(await page.evaluate(() => "hacked" in window), false);
    assertEquals(await page.locator("main :is(img, script, iframe)").count(), 0);
    // And if it came into the page, the policy would stop it.
    await page.evaluate(() => {
      const script = document.createElement("script");
      script.textContent = "window.hacked = 1";
      document.body.append(script);
    });
    assertEquals(await page.evaluate(() => "hacked" in window), false);
    const refused = tester.problems.splice(0);
    assertEquals(refused.length, 1);
    assertStringIncludes(refused[0]!, "Content Security Policy");
  });
});

browserTest("the theme follows the system until it is switched", async (tester) => {
  const page = await tester.report({ "guest.mig": loadStream("pc") }, {
    ...DESKTOP,
    colorScheme: "dark",
  });
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await background();
  await page.emulateMedia({ colorScheme: "light" });
  await page.waitForSelector("html[data-theme=light]");
  const light = await background();
  assert(dark !== light);
  await page.getByRole("button", { name: "Dark" }).click();
  assertEquals(await background(), dark);
  await page.reload();
  assertEquals(await background(), dark);
  // Paper is light all the same.
  await page.emulateMedia({ media: "print" });
  await page.waitForSelector("html[data-theme=light]");
  assertEquals(await background(), "rgb(255, 255, 255)");
  assertEquals(await page.locator("nav").isVisible(), false);
  assert((await page.pdf()).length > 10_000);
});

browserTest("a phone shows all of it without scrolling sideways", async (tester) => {
  const page = await tester.report({ "guest.mig": loadStream("pc-live") }, PHONE);
  await page.evaluate(() => {
    for (const details of document.querySelectorAll("details")) details.open = true;
  });
  await page.waitForTimeout(100);
  assertEquals(await overflowOf(page), 0);
  assert(await colorsOf(page, "canvas.map") >= 2);
});

browserTest("two inputs are compared", async (tester) => {
  const page = await tester.report({
    "before.mig": loadStream("pc"),
    "after.mig": loadStream("pc-live"),
  });
  assertMatch(await page.title(), /^before\.mig and after\.mig/);
  assert(await colorsOf(page, "#differences canvas.map") >= 2);
  const changes = page.locator("#differences tbody tr");
  const all = await changes.count();
  await page.getByLabel("Filter the differences").fill("cpu/0/env.eip");
  assert(all > 1 && await changes.count() === 1);
  await changes.getByRole("button").click();
  const cpu = page.locator("details.device[open]").first();
  assertStringIncludes(await cpu.locator("summary").first().innerText(), "cpu/0");
  await cpu.locator(".change").first().waitFor();
  await page.getByLabel("only what differs").first().check();
  await page.locator(".results .row .change").first().waitFor();
  assert(await page.locator(".registers .differs").count() > 0);
  await page.getByRole("button", { name: "Devices of B" }).click();
  assertEquals(await page.locator("canvas.strip").count(), 2);
});

browserTest("damage and channels are shown", async (tester) => {
  const bytes = loadStream("pc");
  const cut = await tester.report({ "cut.mig": bytes.subarray(0, bytes.length / 2) });
  assertMatch(await cut.locator(".verdict").innerText(), /^Invalid/);
  await cut.locator(".finding button.link").first().click();
  assertMatch(await cut.locator(".strip-box .range").innerText(), / from 0x/);

  await withFolder(async (folder) => {
    for (const file of loadCase("pc-multifd-zlib").files) {
      const path = `${folder}/${file.file.replace(/\.zst$/, "")}`;
      Deno.writeFileSync(path, loadStream("pc-multifd-zlib", file));
    }
    const page = await tester.reportOf([folder]);
    const text = await page.locator("#migration").innerText();
    assertStringIncludes(text, "multifd 0");
    assertStringIncludes(text, "zlib");
  });
});
