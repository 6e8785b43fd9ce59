/**
 * Descriptions of the options about physical addresses.
 *
 * @module
 */

/** Of `--map`. */
export const MAP_HELP = "JSON file that says where the RAM blocks stand (docs/forensics.md)";

/** Of `--below-4g`. */
export const BELOW_4G_HELP = "a PC's memory below 4 GiB, if it can't be told (3G, 0xc0000000)";
