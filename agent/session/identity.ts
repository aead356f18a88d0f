/**
 * Who this agent is to a coordinator, and which coordinator it has seen: the cluster's id and the highest epoch.
 * Epochs are compared within one cluster only; another cluster's coordinator starts afresh.
 */
export class Identity {
  private clusterId = "";
  private epoch = 0n;

  constructor(
    readonly agentId: string,
    readonly incarnation: bigint,
    private readonly onNewCluster: (before: string, now: string) => void,
  ) {}

  envelope(): { clusterId: string; epoch: bigint; agentId: string; incarnation: bigint } {
    return {
      clusterId: this.clusterId,
      epoch: this.epoch,
      agentId: this.agentId,
      incarnation: this.incarnation,
    };
  }

  /** Notes what a message says of itself; false if it comes from a coordinator that was deposed. */
  admits(clusterId: string, epoch: bigint): boolean {
    if (clusterId !== this.clusterId) {
      if (this.clusterId !== "") this.onNewCluster(this.clusterId, clusterId);
      this.clusterId = clusterId;
      this.epoch = epoch;
      return true;
    }
    if (epoch < this.epoch) return false;
    this.epoch = epoch;
    return true;
  }
}
