import type { System } from "../system.js";

/** Its zero-worker mode, which runs no process a task, is built in by a feature of its source. */
export const hyperqueue: System = {
  name: "HyperQueue, zero-worker mode",
  how: "",
  install: async () => {
    throw new Error(
      "the mode is a compile-time feature, and no registry has the source (none on crates.io; PyPI's hyperqueue 0.27.0 is a wheel without the feature, whose worker starts a process for every task)",
    );
  },
  start: async () => {
    throw new Error("it was not installed");
  },
};
