/**
 * The shape of `golden/manifest.json`.
 *
 * @module
 */

/** What the script printed for one case; what is missing is what it failed at. */
export interface Golden {
  /** Name of the case. */
  readonly name: string;
  /** SHA-256 of what `-d state` prints; the text is in `<name>.state.json.zst`. */
  readonly state?: string;
  /** SHA-256 of what `-d desc` prints; the text is in `<name>.desc.json.zst`. */
  readonly desc?: string;
  /** SHA-256 of what `-m` prints; of small cases only. */
  readonly memory?: string;
}

/** The whole manifest. */
export interface GoldenManifest {
  readonly about: string;
  /** The script that printed it. */
  readonly script: { readonly release: string; readonly sha256: string };
  /** One for each case. */
  readonly goldens: readonly Golden[];
}
