/**
 * Where the face is: MediaPipe's web task with the networks and the order of `models/detection.py`.
 */

import { applyGeometry } from "./crop.js";
import { detectWithRects } from "./face-rects.js";

export class Detector {
  #make;
  #fullToShort;
  #short;
  #full = null; // made when first needed: a near face never needs it

  /** @param make (name of a network) -> the web task */
  static async open(make, fullToShort) {
    return new Detector(await make("short_range.tflite"), make, fullToShort);
  }

  constructor(short, make, fullToShort) {
    this.#short = short;
    this.#make = make;
    this.#fullToShort = fullToShort;
  }

  /** The largest face in an ImageData: {box, roll}, or null. */
  async detect(image) {
    let [found, isFar] = [find(this.#short, image), false];
    if (found.length === 0) {
      this.#full ??= await this.#make("full_range.tflite");
      [found, isFar] = [find(this.#full, image), true];
    }
    if (found.length === 0) return null;
    const { box, roll } = found.reduce((largest, face) => (face.box.width > largest.box.width ? face : largest));
    return { box: isFar ? applyGeometry(box, this.#fullToShort, image.width, image.height) : box, roll };
  }
}

function find(task, image) {
  const { width, height } = image;
  return detectWithRects(task, image).map(({ rect, keypoints: [right, left] }) => {
    const across = (left.x - right.x) * width;
    return { box: rect, roll: across > 0 ? Math.atan2((left.y - right.y) * height, across) : 0 };
  });
}
