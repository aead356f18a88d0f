/** Why nvidia-smi gave no answer, from its exit code and words, with what an operator can do about it. */
import type { Ended } from "../command.js";

export type FaultKind =
  /** No nvidia-smi: a machine without NVIDIA GPUs, or without their driver. */
  | "missing"
  /** It does not end, and may not even be killable: stuck in the kernel. */
  | "hung"
  /** The library was updated under a loaded kernel module. */
  | "driver_mismatch"
  | "driver_absent"
  /** A GPU fell off the bus. */
  | "gpu_lost"
  /** The driver is there and sees no GPU. */
  | "no_devices"
  /** An answer that makes no sense. */
  | "garbled"
  /** It was not asked before, and has not answered yet. */
  | "pending"
  /** No files, processes or memory left to start it. */
  | "exhausted"
  | "failed";

export interface ProbeFault {
  kind: FaultKind;
  /** What happened, in nvidia-smi's words where it had any. */
  message: string;
  hint: string;
}

const HINTS: Record<FaultKind, string> = {
  missing:
    "install the NVIDIA driver, or put the folder of nvidia-smi into PATH or its path into agent.nvidia_smi",
  hung: "see dmesg for Xid errors; a process stuck in the driver usually needs a reboot",
  driver_mismatch:
    "reboot, or unload and load the nvidia kernel modules, so that library and module are of one version",
  driver_absent: "load the nvidia kernel module (modprobe nvidia) and see dmesg if it does not",
  gpu_lost: "the GPU fell off the bus: see dmesg for Xid 79, then power-cycle the machine",
  no_devices: "lspci shows whether the machine has its GPUs; see dmesg for what the driver says of them",
  garbled:
    "run the command by hand; if it looks right, this driver's output is not known yet: please report it",
  pending: "wait half a minute; if it stays so, run nvidia-smi by hand",
  exhausted:
    "see how many files the agent may open (ulimit -n) and has open, and whether the machine has memory left",
  failed: "run the command by hand as the agent's user",
};

export const fault = (kind: FaultKind, message: string): ProbeFault => ({ kind, message, hint: HINTS[kind] });

/** Exit codes are those of nvidia-smi's manual (9 driver, 12 library, 15 fallen off the bus); words decide first. */
export function faultOf({ code, signal, stdout, stderr }: Ended): ProbeFault {
  const said = `${stderr}\n${stdout}`.trim().replace(/\s+/g, " ");
  const message =
    said === "" ? `nvidia-smi ended with ${signal ?? `exit code ${code}`} and no word` : said.slice(0, 500);
  if (/driver\/library version mismatch/i.test(said)) return fault("driver_mismatch", message);
  if (/gpu is lost|fallen off the bus|unable to determine the device handle/i.test(said) || code === 15)
    return fault("gpu_lost", message);
  if (/no devices were found/i.test(said)) return fault("no_devices", message);
  if (
    /couldn't communicate with the nvidia driver|failed to initialize nvml/i.test(said) ||
    code === 9 ||
    code === 12
  )
    return fault("driver_absent", message);
  return fault("failed", message);
}
