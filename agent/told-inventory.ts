/** The inventory an agent tells its coordinator: what the machine has and what its engines could serve, with its hash. */
import { type Inventory, inventoryHash } from "./hardware/inventory.js";

export class ToldInventory {
  private hash: string;

  constructor(private inventory: Inventory) {
    this.hash = inventoryHash(inventory);
  }

  report() {
    return { hash: this.hash, inventory: this.inventory };
  }

  /** Takes these parts over; true if they say something else than before. */
  change(parts: Partial<Inventory>): boolean {
    const before = this.hash;
    this.inventory = { ...this.inventory, ...parts };
    this.hash = inventoryHash(this.inventory);
    return before !== this.hash;
  }
}
