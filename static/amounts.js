// Numbers of bytes in the words of `ByteSize` in `src/web/pages/figures.rs`.

const UNITS = ["B", "KiB", "MiB", "GiB"];

const unitOf = (bytes) => {
  let unit = 0;
  while (bytes >= 1023.5 && unit < UNITS.length - 1) {
    bytes /= 1024;
    unit += 1;
  }
  return unit;
};

const inUnit = (bytes, unit) => Math.round((bytes / 1024 ** unit) * 10) / 10;

// `12.4 MiB`
export const binary = (bytes) => {
  const unit = unitOf(bytes);
  return `${inUnit(bytes, unit)} ${UNITS[unit]}`;
};

// `34 of 96 MiB`
export const amount = (done, total) => {
  const unit = unitOf(total);
  return `${inUnit(done, unit)} of ${inUnit(total, unit)} ${UNITS[unit]}`;
};

// `35,651,584 of 100,663,296 bytes`
export const exact = (done, total) =>
  `${done.toLocaleString("en-US")} of ${total.toLocaleString("en-US")} bytes`;
