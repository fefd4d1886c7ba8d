-- The places of session pools, shared by all processes. A process holds a place for a while and says so again and
-- again; what it left without a word is free once `held_until` is over, and then its session has to be stopped first.
create table afield.pool_slot (
    target_id    uuid not null references afield.target,
    slot         integer not null check (slot >= 0),
    holder       uuid,                             -- the process that has it; null: nobody has
    held_until   timestamptz,
    wanted_by    uuid,                             -- a process that waits for this very place ...
    wanted_until timestamptz,
    session      text not null default '',         -- whose session is there; empty: one that all users share
    sole         boolean not null default false,   -- there is only one session of this name
    identifier   text,                             -- of the session, at the pool; null: there is none
    generation   bigint not null default 0,        -- of the identifier
    used_at      timestamptz not null default now(),
    primary key (target_id, slot),
    check ((holder is null) = (held_until is null) and (wanted_by is null) = (wanted_until is null)),
    check (not sole or (session <> '' and identifier is not null))
);
create unique index pool_slot_session on afield.pool_slot (target_id, session) where sole;

-- What a pool's session identifiers are derived from, sealed outside the database.
create table afield.pool_secret (
    target_id uuid primary key references afield.target,
    sealed    bytea not null
);
