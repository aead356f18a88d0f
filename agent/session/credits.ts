/**
 * Credits of one session: how many attempts of each lane were offered to be taken, in all. What was given is never taken
 * back; there is room for more when the attempts that are here, and those that were offered and have not come, are fewer
 * than what the lane may hold.
 */
export class Credits {
  private readonly lanes = new Map<string, { offered: bigint; came: bigint }>();

  /** An assignment of the lane came, whatever becomes of it; false when it was not offered to be taken. */
  came(lane: string): boolean {
    const credit = this.of(lane);
    credit.came += 1n;
    return credit.came <= credit.offered;
  }

  /** The new total to offer when `room` attempts may be here and `active` are; undefined if it is not more than before. */
  offer(lane: string, room: number, active: number): bigint | undefined {
    if (!this.more(lane, room, active)) return undefined;
    const credit = this.of(lane);
    credit.offered = credit.came + BigInt(Math.max(0, room - active));
    return credit.offered;
  }

  /** Whether `offer` would be more than before. */
  more(lane: string, room: number, active: number): boolean {
    const { came, offered } = this.of(lane);
    return came + BigInt(Math.max(0, room - active)) > offered;
  }

  private of(lane: string): { offered: bigint; came: bigint } {
    const known = this.lanes.get(lane) ?? { offered: 0n, came: 0n };
    this.lanes.set(lane, known);
    return known;
  }
}
