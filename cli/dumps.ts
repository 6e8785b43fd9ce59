/**
 * What `analyze` can print.
 *
 * @module
 */

/** The device state in the script's form, the vmdescription, or the state in our own richer form. */
export const DUMPS = ["state", "desc", "rich"] as const;
