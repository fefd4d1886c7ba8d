-- What connectors remember of their executions between calls, sealed outside the database.
create table afield.note (
    target_id  uuid not null references afield.target,
    key        text not null,
    sealed     bytea not null,
    updated_at timestamptz not null default now(),
    primary key (target_id, key)
);
