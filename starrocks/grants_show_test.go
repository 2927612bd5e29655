package starrocks

import (
	"slices"
	"testing"
)

func TestGrantsAreReadFromTheirStatements(t *testing.T) {
	tables := map[string]int64{"t": 1, "u": 2, "odd name": 3}
	for text, want := range map[string][]string{
		"GRANT INSERT, SELECT ON TABLE d.t TO USER 'a'@'%'":                    {"t"},
		"GRANT SELECT ON TABLE d.t, d.odd name, e.u TO ROLE 'r'":               {"t", "odd name"},
		"GRANT SELECT ON ALL TABLES IN DATABASE d TO USER 'a'@'%'":             {"odd name", "t", "u"},
		"GRANT SELECT ON ALL TABLES IN ALL DATABASES TO ROLE 'r'":              {"odd name", "t", "u"},
		"GRANT SELECT ON ALL TABLES IN DATABASE e TO USER 'a'@'%'":             nil,
		"GRANT 'root' TO 'a'@'%'":                                              nil,
		"GRANT DROP ON DATABASE d TO USER 'a'@'%'":                             nil,
		"GRANT ALTER ON TABLE d.gone TO USER 'a'@'%' WITH GRANT OPTION":        nil,
		"GRANT DELETE ON TABLE d.u TO USER 'TO'@'%' WITH GRANT OPTION":         {"u"},
		"GRANT CREATE TABLE, DROP ON DATABASE d TO USER 'a'@'%'":               nil,
		"GRANT SELECT ON ALL MATERIALIZED VIEWS IN DATABASE d TO USER 'a'@'%'": nil,
	} {
		privileges, names, grantable := shownGrant(text, "d", tables)
		if !slices.Equal(names, want) {
			t.Errorf("%s: tables %q, want %q", text, names, want)
		}
		if names != nil && (len(privileges) == 0 || grantable != (names[0] == "u")) {
			t.Errorf("%s: privileges %q, grantable %v", text, privileges, grantable)
		}
	}
}
