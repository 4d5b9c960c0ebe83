-- What is derived from spans is written by the writer (derived.ts, roll-ups.ts), which knows what a block holds: views over
-- every insert cost the engine as much again as the spans themselves.
DROP VIEW IF EXISTS operations_of_spans {on_cluster};
DROP VIEW IF EXISTS resources_of_spans {on_cluster};
DROP VIEW IF EXISTS links_of_spans {on_cluster};
DROP VIEW IF EXISTS messages_of_spans {on_cluster};
DROP VIEW IF EXISTS red_of_spans {on_cluster};
DROP VIEW IF EXISTS functions_of_spans {on_cluster};

-- An insert that is tried again because the engine died under it counts once: the last thousand are remembered by token.
-- Replicated tables do so by themselves.
ALTER TABLE spans {on_cluster} MODIFY SETTING non_replicated_deduplication_window = 1000;
ALTER TABLE links {on_cluster} MODIFY SETTING non_replicated_deduplication_window = 1000;
ALTER TABLE logs {on_cluster} MODIFY SETTING non_replicated_deduplication_window = 1000;
ALTER TABLE messages {on_cluster} MODIFY SETTING non_replicated_deduplication_window = 1000;
ALTER TABLE red {on_cluster} MODIFY SETTING non_replicated_deduplication_window = 1000;
ALTER TABLE functions {on_cluster} MODIFY SETTING non_replicated_deduplication_window = 1000;
