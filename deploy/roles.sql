-- The roles of the service. PostgreSQL of deploy/compose.yaml runs this on its first start; elsewhere a superuser
-- runs it once, in the database of the service:
--
--   OWNER_PASSWORD=… SERVICE_PASSWORD=… psql --file=deploy/roles.sql auth
--
-- auth_owner has the tables: `migrate up --grant-to auth` is run as it.
-- auth is what nodes sign in as: it changes no schema, and the audit trail it can only read and add to.
-- auth_backup reads every table, and nothing else: `backup create` is run as it. It is made if BACKUP_PASSWORD is set.
-- Where the other two are there already, \set only_backup makes this one alone (psql --set=only_backup=yes).
\set ON_ERROR_STOP on
\if :{?owner}
\else
    \set owner auth_owner
\endif
\if :{?service}
\else
    \set service auth
\endif
\if :{?backup}
\else
    \set backup auth_backup
\endif
\getenv backup_password BACKUP_PASSWORD
\if :{?only_backup}
\else
\getenv owner_password OWNER_PASSWORD
\if :{?owner_password}
\else
    \set owner_password `cat /run/secrets/owner_password`
\endif
\getenv service_password SERVICE_PASSWORD
\if :{?service_password}
\else
    \set service_password `cat /run/secrets/service_password`
\endif

SELECT '' IN (:'owner_password', :'service_password') AS lacks_password \gset
\if :lacks_password
    DO $$ BEGIN RAISE EXCEPTION 'OWNER_PASSWORD and SERVICE_PASSWORD have to be set'; END $$;
\endif

CREATE ROLE :"owner" LOGIN PASSWORD :'owner_password';
CREATE ROLE :"service" LOGIN PASSWORD :'service_password';
-- Nobody else comes in, and nobody but the owner makes anything.
REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"DBNAME" TO :"owner", :"service";
REVOKE ALL ON SCHEMA public FROM PUBLIC;
ALTER SCHEMA public OWNER TO :"owner";
\endif

\if :{?backup_password}
CREATE ROLE :"backup" LOGIN PASSWORD :'backup_password';
GRANT CONNECT ON DATABASE :"DBNAME" TO :"backup";
GRANT USAGE ON SCHEMA public TO :"backup";
-- What is there, and what a release or a restore makes: partitions and sequences too.
GRANT SELECT ON ALL TABLES IN SCHEMA public TO :"backup";
GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO :"backup";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public GRANT SELECT ON TABLES TO :"backup";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public GRANT SELECT ON SEQUENCES TO :"backup";
\endif
