-- The last comparison of each target, for all processes, and when a patrol last set out for it.
create table afield.scan (
    target_id    uuid primary key references afield.target,
    tenant_id    uuid not null references afield.tenant,
    taken_at     timestamptz,  -- of the comparison that is kept; null: there is none yet
    complete     boolean,
    result       jsonb,
    patrolled_at timestamptz,
    check ((taken_at is null) = (result is null) and (taken_at is null) = (complete is null))
);

-- When people were last told of a finding; told again only if it has been opened again since.
alter table afield.finding add column alerted_at timestamptz;
