import { memo, useMemo } from 'react';
import type { JaegerTrace } from '../../../backend/query/shapes.ts';
import { miniWaterfall } from '../layout/mini-waterfall.ts';

const WIDTH = 300;
const HEIGHT = 34;

/** The shape of a trace over its own length; it stretches with its column. */
export const MiniWaterfall = memo(function MiniWaterfall(props: {
  readonly trace: JaegerTrace;
  readonly colors: ReadonlyMap<string, string>;
}) {
  const { paths, errors } = useMemo(() => miniWaterfall(props.trace, WIDTH, HEIGHT), [props.trace]);
  return (
    <svg className="mini" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      {paths.map(({ service, path }) => (
        <path key={service} d={path} style={{ fill: props.colors.get(service) }} />
      ))}
      {errors !== '' && <path d={errors} className="mini-error" />}
    </svg>
  );
});
