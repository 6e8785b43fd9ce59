/**
 * The law of the layers, as a lint plugin: imports point downwards only, and the lower a layer,
 * the less it knows of the outside.
 *
 * ```text
 * cli  live  analyze  container  format      may import
 *  .    .      .         .         x         format
 *  .    .      .         x         x         container
 *  .    .      x         x         x         analyze
 *  .    x      x         x         x         live
 *  x    x      x         x         x         cli/, cli.ts, analyze.ts
 * ```
 *
 * A plugin sees the syntax tree, so that comments and strings cannot deceive it. deno.json loads
 * it, which makes `deno lint` and editors show a breach on its line; layers_test.ts proves that it
 * can fail and runs it over the whole project.
 */

/** Layers from low to high; what lies in none of them (tests, bench...) may import anything. */
const LAYERS = ["format", "container", "analyze", "live", "cli"] as const;
type Layer = (typeof LAYERS)[number];

/** Programs at the root that belong to the top layer. */
const PROGRAMS: readonly string[] = ["cli.ts", "analyze.ts"];

/** Folders that no part of the library or the command may reach into. */
const OUTSIDE: readonly string[] = ["tests", "bench", "testdata"];

/** Globals that a layer does without: policy and output belong to those above. */
const FORBIDDEN_GLOBALS: Readonly<Record<Layer, readonly string[]>> = {
  format: ["Deno", "console"],
  container: ["console"],
  analyze: ["console"],
  live: [],
  cli: [],
};

const PACKAGE_NAME = "@migstream/migstream";
const ROOT_URL = new URL("../", import.meta.url);

/** The path of a file relative to the project, or undefined if it lies elsewhere. */
function projectPath(url: URL): string | undefined {
  return url.href.startsWith(ROOT_URL.href)
    ? decodeURIComponent(url.href.slice(ROOT_URL.href.length))
    : undefined;
}

/** The layer of a file of the project (`format/ram.ts` is in `format`). */
export function layerOf(path: string): Layer | undefined {
  if (PROGRAMS.includes(path)) return "cli";
  return LAYERS.find((layer) => path.startsWith(`${layer}/`));
}

/**
 * Says what is wrong with `from` (a path in the project) importing `specifier`; undefined if
 * nothing is. Packages are every layer's own business.
 */
export function importFault(from: string, specifier: string): string | undefined {
  const layer = layerOf(from);
  const isRoot = from === "mod.ts";
  if (layer === undefined && !isRoot) return undefined;

  let target: string | undefined;
  if (/^(\.\.?\/|\/|file:)/.test(specifier)) {
    target = projectPath(new URL(specifier, new URL(from, ROOT_URL)));
    if (target === undefined) return `"${specifier}" leads out of the project`;
  } else if (specifier === PACKAGE_NAME || specifier.startsWith(`${PACKAGE_NAME}/`)) {
    const entry = specifier.slice(PACKAGE_NAME.length + 1);
    target = entry === "" ? "mod.ts" : `${entry}/mod.ts`;
  } else {
    return undefined;
  }

  // The command takes its version from deno.json.
  if (layer === "cli" && target === "deno.json") return undefined;

  const outside = OUTSIDE.find((folder) => target.startsWith(`${folder}/`));
  if (outside !== undefined) return `${from} must not import from ${outside}/`;

  const from_ = isRoot ? "live" : layer!;
  // mod.ts re-exports all library layers: whoever imports it stands above them.
  const to = target === "mod.ts" ? "cli" : layerOf(target);
  if (to === undefined) return `${target} is in no layer`;
  if (LAYERS.indexOf(to) > LAYERS.indexOf(from_)) {
    return `${isRoot ? "mod.ts" : `layer ${from_}`} must not import ${target}: it is above`;
  }
  return undefined;
}

/** The text of a string literal or of a template without placeholders. */
function constantText(node: Deno.lint.Node | null | undefined): string | undefined {
  if (node?.type === "TSLiteralType") return constantText(node.literal);
  if (node?.type === "Literal" && typeof node.value === "string") return node.value;
  if (node?.type === "TemplateLiteral" && node.expressions.length === 0) {
    return node.quasis[0]?.cooked;
  }
  return undefined;
}

/** Whether the node is `import.meta.<name>`. */
function isImportMeta(node: Deno.lint.Node | undefined, name: string): boolean {
  return node?.type === "MemberExpression" && node.object.type === "MetaProperty" &&
    node.property.type === "Identifier" && node.property.name === name;
}

/** Whether an identifier stands for a variable, not for the name of a property. */
function isReference(node: Deno.lint.Identifier): boolean {
  const parent = node.parent;
  switch (parent.type) {
    case "MemberExpression":
      return parent.object === node || parent.computed ||
        (parent.object.type === "Identifier" && parent.object.name === "globalThis");
    case "Property":
      return parent.value === node || parent.computed;
    case "TSPropertySignature":
    case "PropertyDefinition":
    case "MethodDefinition":
    case "TSMethodSignature":
      return parent.key !== node;
    case "TSQualifiedName":
      return parent.left === node;
    default:
      return true;
  }
}

const importsRule: Deno.lint.Rule = {
  create(context): Deno.lint.LintVisitor {
    const from = pathOfContext(context);
    if (from === undefined) return {};
    const check = (node: Deno.lint.Node, specifier: string | undefined): void => {
      const message = specifier === undefined
        ? "an import whose target is computed cannot be checked against the layers"
        : importFault(from, specifier);
      if (message !== undefined) context.report({ node, message });
    };
    const isLibrary = from !== "mod.ts" && layerOf(from) !== undefined && layerOf(from) !== "cli";
    return {
      ImportDeclaration: (node) => check(node, constantText(node.source)),
      ExportAllDeclaration: (node) => check(node, constantText(node.source)),
      ExportNamedDeclaration: (node) => node.source && check(node, constantText(node.source)),
      TSImportType: (node) => check(node, constantText(node.argument)),
      ImportExpression: (node) => {
        const specifier = constantText(node.source);
        if (specifier !== undefined || isLibrary) check(node, specifier);
      },
      // new Worker(new URL("./x.ts", import.meta.url)) imports too.
      NewExpression: (node) => {
        if (node.callee.type !== "Identifier" || node.callee.name !== "URL") return;
        if (!isImportMeta(node.arguments[1], "url")) return;
        const specifier = constantText(node.arguments[0]);
        if (specifier?.endsWith(".ts")) check(node, specifier);
      },
      CallExpression: (node) => {
        if (!isImportMeta(node.callee, "resolve")) return;
        const specifier = constantText(node.arguments[0]);
        if (specifier !== undefined) check(node, specifier);
      },
    };
  },
};

const globalsRule: Deno.lint.Rule = {
  create(context): Deno.lint.LintVisitor {
    const from = pathOfContext(context);
    const layer = from === undefined ? undefined : layerOf(from);
    if (layer === undefined) return {};
    const forbidden = FORBIDDEN_GLOBALS[layer];
    return {
      Identifier(node): void {
        if (forbidden.includes(node.name) && isReference(node)) {
          context.report({ node, message: `layer ${layer} must not use ${node.name}` });
        }
      },
    };
  },
};

/** `deno lint` names files by absolute path; made-up sources of a test may be relative. */
function pathOfContext(context: Deno.lint.RuleContext): string | undefined {
  const name = context.filename.replaceAll("\\", "/");
  const isAbsolute = /^(\/|[A-Za-z]:\/)/.test(name);
  const url = isAbsolute ? new URL(`file:///${name.replace(/^\//, "")}`) : new URL(name, ROOT_URL);
  return projectPath(url);
}

/** The plugin that deno.json loads. */
const plugin: Deno.lint.Plugin = {
  name: "layers",
  rules: { "imports": importsRule, "globals": globalsRule },
};
export default plugin;
