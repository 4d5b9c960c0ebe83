/** 0.46 → "46 %", 0.004 → "0.4 %". */
export function formatPercent(share: number): string {
  const percent = share * 100;
  if (percent > 0 && percent < 0.1) return '<0.1 %';
  return `${percent >= 10 || percent === Math.round(percent) ? percent.toFixed(0) : percent.toFixed(1)} %`;
}

/** Per second when it is often, else per minute or hour: "12.4/s", "3.1/min". */
export function formatRate(perSecond: number): string {
  const [value, unit] =
    perSecond >= 1
      ? [perSecond, 's']
      : perSecond * 60 >= 1
        ? [perSecond * 60, 'min']
        : [perSecond * 3_600, 'h'];
  return `${value >= 100 ? formatCount(Math.round(value)) : value.toFixed(value >= 10 || value === 0 ? 0 : 1)}/${unit}`;
}

/** Thousands apart: 12 345. */
export function formatCount(value: number): string {
  return String(value).replaceAll(/\B(?=(\d{3})+(?!\d))/g, ' ');
}
