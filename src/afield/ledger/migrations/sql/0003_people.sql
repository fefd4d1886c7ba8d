-- Who may call, and as what. Of a token only the digest is kept.
create table afield.person (
    id         uuid primary key,
    tenant_id  uuid not null references afield.tenant,
    name       text not null,
    role       text not null check (role in ('viewer', 'approver', 'operator', 'admin')),
    token      bytea not null unique,
    created_at timestamptz not null default now(),
    revoked_at timestamptz
);
create unique index person_name on afield.person (tenant_id, lower(name)) where revoked_at is null;
