/** Where a face box and its label lie on the mirrored preview. */

/**
 * Map a box in fractions of the camera frame to pixels of an element that shows that frame mirrored,
 * with `object-fit: cover` (scaled to fill, centred, the overflow cut off).
 *
 * @param {number[]} box x, y, width, height as fractions of the frame, not mirrored
 * @param {{width: number, height: number}} frame size of the camera picture
 * @param {{width: number, height: number}} stage size of the element on the page
 */
export function placeBox([x, y, width, height], frame, stage) {
  const scale = Math.max(stage.width / frame.width, stage.height / frame.height);
  const shown = { width: frame.width * scale, height: frame.height * scale };
  return {
    left: (stage.width - shown.width) / 2 + (1 - x - width) * shown.width,
    top: (stage.height - shown.height) / 2 + y * shown.height,
    width: width * shown.width,
    height: height * shown.height,
  };
}

const LABEL_MARGIN = 6;

/**
 * Left and top of a box's label: above the box, or inside it where there is no room, never cut off.
 * All in pixels of the stage.
 *
 * @param {{left: number, top: number}} box as `placeBox` returns it
 * @param {{width: number, height: number}} label size of the label
 * @param {{width: number, height: number}} stage size of the element on the page
 */
export function placeLabel(box, label, stage) {
  const above = box.top - LABEL_MARGIN - label.height;
  const top = above >= 0 ? above : Math.max(0, box.top) + LABEL_MARGIN;
  const within = (place, most) => Math.max(0, Math.min(place, most));
  return { left: within(box.left, stage.width - label.width), top: within(top, stage.height - label.height) };
}
