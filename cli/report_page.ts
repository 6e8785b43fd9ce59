/**
 * A report as one HTML file that needs nothing else.
 *
 * The page's script and style stand in it as they stand in report_assets/. Its policy allows these two, by their hashes, and nothing else:
 * no connection, no image, no other script. The data is JSON in an element of its own, in which no `<` can end that element.
 *
 * @module
 */

import type { ReportModel } from "../analyze/report/model.ts";
import devices from "./report_assets/devices.js" with { type: "text" };
import dom from "./report_assets/dom.js" with { type: "text" };
import main from "./report_assets/main.js" with { type: "text" };
import memory from "./report_assets/memory.js" with { type: "text" };
import migration from "./report_assets/migration.js" with { type: "text" };
import style from "./report_assets/page.css" with { type: "text" };
import strip from "./report_assets/strip.js" with { type: "text" };
import stripView from "./report_assets/strip_view.js" with { type: "text" };
import tables from "./report_assets/tables.js" with { type: "text" };

/** The modules of the page's script, each behind those that it imports. */
const MODULES = [dom, stripView, strip, memory, migration, devices, tables, main];

/** The whole file. */
export async function reportPage(model: ReportModel): Promise<string> {
  const script = `"use strict";\n${MODULES.map(inScope).join("\n")}`;
  const policy = [
    "default-src 'none'",
    `script-src '${await hashOf(script)}'`,
    `style-src '${await hashOf(style)}'`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  const title = model.sides.map(({ path }) => path).join(" and ");
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="${escapeHtml(model.generator)}">
<title>${escapeHtml(title)} – migstream report</title>
<style>${style}</style>
</head>
<body>
<noscript><p>This report draws itself with a script, which stands in this file and needs no network. Scripts are turned off here.</p></noscript>
<script type="application/json" id="data">${embeddedJson(model)}</script>
<script>${script}</script>
</body>
</html>
`;
}

/**
 * A module as a function that gives what it exports: all of them become one classic script, since modules can't stand in a page that is
 * opened as a file and has a policy.
 */
function inScope(module: string): string {
  const names = [...module.matchAll(/^export (?:class|const|function) (\w+)/gm)].map((match) =>
    match[1]
  );
  const body = module
    .replaceAll(/^import \{[^}]*\} from "[^"]*";\n/gm, "")
    .replaceAll(/^export /gm, "")
    // What only tools read.
    .replaceAll(/^\/\/\/? .*\n/gm, "")
    .replaceAll(/^ *\/\*\*(?:(?!\*\/)[^])*\*\/\n/gm, "");
  return `const { ${names.join(", ")} } = (() => {\n${body}return { ${names.join(", ")} };\n})();`;
}

async function hashOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return `sha256-${new Uint8Array(digest).toBase64()}`;
}

/** JSON that can stand in a script element: nothing in it begins a tag or a comment. */
function embeddedJson(value: unknown): string {
  return JSON.stringify(value).replaceAll("<", "\\u003c");
}

function escapeHtml(text: string): string {
  return text.toWellFormed().replaceAll(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
