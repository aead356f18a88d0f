/** Everyday English words of four to eight letters, for pictures that a dictionary helps with, but only so far. */
export const WORDS: readonly string[] = (
  "apple anchor basket beacon bottle bridge bronze butter cabin candle canvas carbon castle cedar chapel cherry " +
  "circle cliff clover coffee copper coral cotton cradle crystal dragon eagle ember engine falcon feather field " +
  "filter flame forest fossil fountain galaxy garden garnet ginger glacier granite hammer harbor harvest hollow " +
  "honey horizon island ivory jacket jasmine jungle kettle lantern lemon library lily linen lizard magnet maple " +
  "marble meadow melon mirror morning mountain museum needle nickel ocean olive orange orchard oyster paddle palace " +
  "paper pearl pebble pepper pillow planet pocket prairie quartz rabbit raven ribbon river rocket saddle salmon " +
  "shadow shelter signal silver spider spring summit sunset tablet temple thunder timber tunnel turtle valley velvet " +
  "violet walnut willow window winter yellow zebra"
).split(" ");
