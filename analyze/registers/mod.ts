/**
 * The registers of the guest's processors, and their text as QEMU's monitor prints it.
 *
 * @module
 */

export { type CpuArchitecture, type CpuState } from "./cpu_state.ts";
export { formatRegisters, type FormatRegistersOptions } from "./format.ts";
export { cpuEntries, readCpuStates } from "./read.ts";
