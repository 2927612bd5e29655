package starrocks

import (
	"database/sql"
	"testing"
)

// rightsOf reads lines as SHOW GRANTS prints them (recording 09).
func rightsOf(lines ...string) (Rights, []string) {
	t := &table{}
	t.header([]string{"UserIdentity", "Catalog", "Grants"})
	for _, line := range lines {
		_ = t.add([]sql.NullString{{String: "'u'@'%'", Valid: true}, {}, {String: line, Valid: true}})
	}
	var r Rights
	roles := r.read(t)
	return r, roles
}

func TestGrantsAreRead(t *testing.T) {
	const to = " TO USER 'u'@'%'"
	type ask struct {
		privilege, kind, database, table string
		want                             bool
	}
	for _, c := range []struct {
		line string
		asks []ask
	}{
		{"GRANT NODE, CREATE WAREHOUSE ON SYSTEM TO ROLE 'cluster_admin'", []ask{{"NODE", "SYSTEM", "", "", true}, {"OPERATE", "SYSTEM", "", "", false}}},
		{"GRANT EXPORT ON ALL TABLES IN DATABASE g09" + to, []ask{{"EXPORT", "TABLE", "g09", "t", true}, {"EXPORT", "TABLE", "g09", "", true}, {"EXPORT", "TABLE", "other", "t", false}, {"SELECT", "TABLE", "g09", "t", false}}},
		{"GRANT INSERT, SELECT ON TABLE g09.rng TO ROLE 'role09'", []ask{{"SELECT", "TABLE", "g09", "rng", true}, {"SELECT", "TABLE", "g09", "", false}, {"SELECT", "TABLE", "g09", "flat", false}}},
		{"GRANT SELECT ON ALL TABLES IN ALL DATABASES" + to + " WITH GRANT OPTION", []ask{{"SELECT", "TABLE", "x", "", true}}},
		{"GRANT ALL PRIVILEGES ON DATABASE d" + to, []ask{{"CREATE TABLE", "DATABASE", "d", "", true}, {"CREATE TABLE", "DATABASE", "e", "", false}}},
		{"GRANT CREATE TABLE ON ALL DATABASES" + to, []ask{{"CREATE TABLE", "DATABASE", "d", "", true}, {"SELECT", "TABLE", "d", "", false}}},
		{"GRANT CREATE DATABASE ON CATALOG default_catalog" + to, []ask{{"CREATE DATABASE", "CATALOG", "", "", true}}},
		{"GRANT CREATE DATABASE ON ALL CATALOGS" + to, []ask{{"CREATE DATABASE", "CATALOG", "", "", true}}},
		{"GRANT SELECT ON TABLE d.a, d.b" + to, []ask{{"SELECT", "TABLE", "d", "b", true}, {"SELECT", "TABLE", "d", "c", false}}},
		{"GRANT USAGE, ALTER, DROP ON ALL WAREHOUSES TO ROLE 'cluster_admin'", []ask{{"ALTER", "TABLE", "d", "a", false}}},
	} {
		r, roles := rightsOf(c.line)
		if len(roles) > 0 || !r.Certain() {
			t.Errorf("%s: roles %v, hidden %v", c.line, roles, r.Hidden())
		}
		for _, a := range c.asks {
			if got := r.Has(a.privilege, a.kind, a.database, a.table); got != a.want {
				t.Errorf("%s: %s on %s %s.%s: %v", c.line, a.privilege, a.kind, a.database, a.table, got)
			}
		}
	}
	if r, _ := rightsOf("GRANT 'root' TO 'root'@'%'"); !r.Has("REPOSITORY", "SYSTEM", "", "") {
		t.Error("root may all")
	}
	if _, roles := rightsOf("GRANT 'a', 'b c' TO 'u'@'%'"); len(roles) != 2 || roles[1] != "b c" {
		t.Errorf("roles %q", roles)
	}
	if r, _ := rightsOf("GIVE all"); r.Certain() {
		t.Error("a line that nobody understands leaves doubt")
	}
}
