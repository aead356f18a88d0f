/** A disk in memory that a test can fill: what agents keep, without files. */
import type { AppendFile, Disk } from "../../shared/runtime/disk.js";
import { SaiError } from "../../shared/runtime/errors.js";

export class MemoryDisk implements Disk {
  readonly files = new Map<string, Buffer>();
  /** While true nothing more can be written; an append writes half of what it was given. */
  full = false;
  /** Every call, such as `append /j/1.1.jsonl`. */
  readonly calls: string[] = [];

  text(path: string): string {
    return this.files.get(path)?.toString("utf8") ?? "";
  }
  async mkdir(): Promise<void> {}
  async list(dir: string): Promise<string[]> {
    const names = [...this.files.keys()].filter((path) => path.startsWith(`${dir}/`));
    return names.map((path) => path.slice(dir.length + 1)).sort();
  }
  async read(path: string): Promise<Buffer | undefined> {
    this.calls.push(`read ${path}`);
    return this.files.get(path);
  }
  async writeAtomic(path: string, data: string | Uint8Array): Promise<void> {
    this.calls.push(`write ${path}`);
    this.admit(path);
    this.files.set(path, Buffer.from(data as string));
  }
  async append(path: string): Promise<AppendFile> {
    if (!this.files.has(path)) {
      this.admit(path);
      this.files.set(path, Buffer.alloc(0));
    }
    return {
      append: async (data) => {
        this.calls.push(`append ${path}`);
        const bytes = Buffer.from(data as string);
        const taken = this.full ? bytes.subarray(0, bytes.length >> 1) : bytes;
        this.files.set(path, Buffer.concat([this.files.get(path) ?? Buffer.alloc(0), taken]));
        this.admit(path);
      },
      sync: async () => void this.calls.push(`sync ${path}`),
      close: async () => {},
    };
  }
  async rename(from: string, to: string): Promise<void> {
    const file = this.files.get(from);
    if (file === undefined) throw new SaiError("unavailable", `cannot rename ${from}`);
    this.files.delete(from);
    this.files.set(to, file);
  }
  async remove(path: string): Promise<void> {
    this.calls.push(`remove ${path}`);
    this.files.delete(path);
  }
  private admit(path: string): void {
    if (this.full) throw new SaiError("resource_exhausted", `cannot write ${path}: no space left`);
  }
}
