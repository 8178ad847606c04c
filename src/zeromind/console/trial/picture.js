// Answers that are pictures: [height, width], with 1, 3 or 4 channels first or last.

import { make } from "../page/element.js";

const LEAST_SIDE = 8;
const MOST_SIDE = 4096;
const SHOWN = 280;

/** {height, width, channels, at(y, x, channel)} of a value, or of its only row; null if it is no picture. */
export function pictureOf(value) {
  const shape = shapeOf(value);
  if (shape.length > 2 && shape[0] === 1) return pictureOf(value[0]);
  const isSide = (size) => size >= LEAST_SIDE && size <= MOST_SIDE;
  if (shape.length === 2 && shape.every(isSide)) return { height: shape[0], width: shape[1], channels: 1, at: (y, x) => value[y][x] };
  if (shape.length !== 3) return null;
  const [first, second, third] = shape;
  if (isSide(first) && isSide(second) && [1, 3, 4].includes(third))
    return { height: first, width: second, channels: third, at: (y, x, channel) => value[y][x][channel] };
  if (isSide(second) && isSide(third) && [1, 3, 4].includes(first))
    return { height: second, width: third, channels: first, at: (y, x, channel) => value[channel][y][x] };
  return null;
}

/** The sizes of an evenly nested list of numbers, by its first elements. */
function shapeOf(value) {
  const shape = [];
  for (let part = value; Array.isArray(part); part = part[0]) shape.push(part.length);
  let first = value;
  while (Array.isArray(first)) first = first[0];
  return typeof first === "number" ? shape : [];
}

/** A canvas of it: 0…1 and 0…255 as they are, anything else stretched between its least and its most. */
export function picture({ height, width, channels, at }) {
  const canvas = make("canvas", { width, height, class: "picture", role: "img", "aria-label": `A picture, ${width} × ${height}` });
  if (width < SHOWN) canvas.style.width = `${width * Math.floor(SHOWN / Math.max(width, height))}px`;
  let [low, high] = [Infinity, -Infinity];
  const each = (act) => {
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++)
        for (let channel = 0; channel < channels; channel++) act(Number(at(y, x, channel) ?? 0), y, x, channel);
  };
  each((number) => ([low, high] = [Math.min(low, number), Math.max(high, number)]));
  if (low >= 0 && high <= 255) [low, high] = [0, high <= 1 ? 1 : 255];
  const image = new ImageData(width, height);
  each((number, y, x, channel) => {
    const level = (255 * (number - low)) / (high - low || 1);
    const place = 4 * (y * width + x);
    if (channels === 1) image.data.fill(level, place, place + 3);
    else image.data[place + channel] = level;
    if (channels < 4) image.data[place + 3] = 255;
  });
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}
