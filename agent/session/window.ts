/**
 * Things to send of which only so many may be unanswered at a time, so that thousands that wait after a long absence
 * neither flood the coordinator nor fill the outbox.
 */
export class Window<T> {
  private readonly queue: { name: string; value: T }[] = [];
  private next = 0;
  private readonly unanswered = new Set<string>();

  constructor(
    private readonly most: number,
    private readonly send: (values: T[]) => void,
  ) {}

  /** True when everything that was added has been sent at least once. */
  get caughtUp(): boolean {
    return this.next === this.queue.length;
  }

  add(name: string, value: T): void {
    this.queue.push({ name, value });
    this.fill();
  }

  /** One was answered; the next may go. */
  answered(name: string): void {
    if (this.unanswered.delete(name)) this.fill();
  }

  private fill(): void {
    const values: T[] = [];
    while (this.unanswered.size < this.most && this.next < this.queue.length) {
      const { name, value } = this.queue[this.next++] as { name: string; value: T };
      this.unanswered.add(name);
      values.push(value);
    }
    if (this.next > 1000 || this.caughtUp) {
      this.queue.splice(0, this.next);
      this.next = 0;
    }
    if (values.length > 0) this.send(values);
  }
}
