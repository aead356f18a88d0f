import type { Disk } from "../../shared/runtime/disk.js";

/** A disk of a simulated agent: what thousands of agents keep would measure this machine's disk, not their coordinator. */
export function memoryDisk(): Disk {
  const files = new Map<string, Buffer>();
  return {
    mkdir: async () => {},
    list: async (dir) =>
      [...files.keys()]
        .filter((path) => path.startsWith(`${dir}/`))
        .map((path) => path.slice(dir.length + 1))
        .filter((name) => !name.includes("/"))
        .sort(),
    read: async (path) => files.get(path),
    writeAtomic: async (path, data) => void files.set(path, Buffer.from(data)),
    append: async (path) => ({
      append: async (data) =>
        void files.set(path, Buffer.concat([files.get(path) ?? Buffer.alloc(0), Buffer.from(data)])),
      sync: async () => {},
      close: async () => {},
    }),
    rename: async (from, to) => {
      const data = files.get(from);
      files.delete(from);
      if (data) files.set(to, data);
    },
    remove: async (path) => void files.delete(path),
  };
}
