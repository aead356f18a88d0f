import type { Fields } from "./fields.js";

/** `placement` of sai/v1: whether shards whose times are compared may run on devices of several classes. */
export function readPlacement(root: Fields): { mixed: boolean } {
  const placement = root.object("placement");
  for (const key of ["labels", "exclusive_gpu"]) {
    placement?.accept(key);
    if (placement?.has(key))
      placement.findings.error(
        placement.path(key),
        `placement.${key} is not supported in this version`,
        `remove ${key}`,
      );
  }
  const mixed = placement?.boolean("mixed") ?? false;
  placement?.close();
  return { mixed };
}
