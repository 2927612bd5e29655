package starrockssim

import (
	"strings"
	"time"

	"starkeep/test/starrockssim/mysqlwire"
	"starkeep/test/starrockssim/sqlparse"
)

// session variables

var defaultVariables = map[string]string{"version": "8.0.33", "version_comment": "StarRocks version 3.5.0", "time_zone": "Etc/UTC", "system_time_zone": "Etc/UTC",
	"autocommit": "1", "max_allowed_packet": "33554432", "sql_mode": "ONLY_FULL_GROUP_BY", "wait_timeout": "28800", "interactive_timeout": "3600",
	"character_set_client": "utf8", "character_set_connection": "utf8", "character_set_results": "utf8", "character_set_server": "utf8", "collation_server": "utf8_general_ci",
	"lower_case_table_names": "0", "tx_isolation": "REPEATABLE-READ", "transaction_isolation": "REPEATABLE-READ", "tx_read_only": "OFF", "query_timeout": "300",
	"license": "Apache License 2.0", "net_write_timeout": "60", "net_buffer_length": "16384", "performance_schema": "OFF", "init_connect": "", "auto_increment_increment": "1"}

func (s *session) variable(name string) string {
	name = strings.ToLower(name)
	if v, ok := s.vars[name]; ok {
		return v
	}
	return defaultVariables[name]
}

func (s *session) set(st *sqlparse.Set) error {
	for _, a := range st.Assignments {
		text := ""
		if ref, ok := a.Value.(*sqlparse.ColumnRef); ok {
			text = strings.Join(ref.Parts, ".")
		} else if a.Value != nil {
			v, err := (&scope{s: s}).eval(a.Value)
			if err != nil {
				return err
			}
			text = v.Text
		}
		if strings.EqualFold(a.Name, "time_zone") {
			zone, err := parseZone(text)
			if err != nil {
				return analyzed("Unknown or incorrect time zone: '%s'", text)
			}
			s.zone = zone
		}
		s.vars[strings.ToLower(a.Name)] = text
	}
	return nil
}

func parseZone(name string) (*time.Location, error) {
	if len(name) > 0 && (name[0] == '+' || name[0] == '-') {
		t, err := time.Parse("-07:00", name)
		if err != nil {
			return nil, err
		}
		return t.Location(), nil
	}
	if strings.EqualFold(name, "CST") {
		name = "Asia/Shanghai"
	}
	return time.LoadLocation(name)
}

func (s *session) showVariables(st *sqlparse.ShowVariables) (*mysqlwire.Result, error) {
	var rows [][]any
	for _, name := range sortedKeys(defaultVariables) {
		if st.Like == nil || like(*st.Like, name) {
			rows = append(rows, []any{name, s.variable(name)})
		}
	}
	return s.filtered([]string{"Variable_name", "Value"}, rows, st.Where)
}
