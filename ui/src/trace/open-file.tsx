import { useNavigate } from '@tanstack/react-router';
import { useEffect, useRef, useState } from 'react';
import './open-file.css';
import { keepFile } from './opened-file.ts';

/** A button for a file with traces; while it is on the page, a file may be dropped anywhere. The file stays in the browser. */
export function OpenFile(props: {
  readonly label?: string;
  /** The one thing to do here, rather than one of several. */
  readonly isButton?: boolean;
}) {
  const navigate = useNavigate();
  const input = useRef<HTMLInputElement>(null);
  const open = (file: File | undefined) => {
    if (!file) return;
    keepFile(file);
    void navigate({ to: '/file', search: {} });
  };
  const isOver = useDrop(open);
  return (
    <>
      <button
        type="button"
        className={props.isButton ? 'button button-main' : 'linkish'}
        title="Jaeger or OTLP JSON; it can also be dropped on the page. It stays in this browser."
        onClick={() => input.current?.click()}
      >
        {props.label ?? 'Open a file'}
      </button>
      <input
        ref={input}
        type="file"
        accept=".json,.jsonl,.ndjson,application/json"
        className="sr"
        tabIndex={-1}
        aria-label="A file with traces"
        onChange={(event) => {
          open(event.currentTarget.files?.[0]);
          // The same file may be chosen again, when it has changed.
          event.currentTarget.value = '';
        }}
      />
      {isOver && (
        <div className="drop" role="status">
          Drop to look at its traces
        </div>
      )}
    </>
  );
}

/** Whether a file is being dragged over the page. */
function useDrop(onFile: (file: File | undefined) => void): boolean {
  const [isOver, setOver] = useState(false);
  const latest = useRef(onFile);
  useEffect(() => {
    latest.current = onFile;
  });
  useEffect(() => {
    const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes('Files') === true;
    const onOver = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      // Otherwise the browser shows the file itself.
      event.preventDefault();
      setOver(true);
    };
    const onLeave = (event: DragEvent) => {
      if (event.relatedTarget === null) setOver(false);
    };
    const onDrop = (event: DragEvent) => {
      setOver(false);
      if (!hasFiles(event)) return;
      event.preventDefault();
      latest.current(event.dataTransfer?.files[0]);
    };
    addEventListener('dragover', onOver);
    addEventListener('dragleave', onLeave);
    addEventListener('drop', onDrop);
    return () => {
      removeEventListener('dragover', onOver);
      removeEventListener('dragleave', onLeave);
      removeEventListener('drop', onDrop);
    };
  }, []);
  return isOver;
}
