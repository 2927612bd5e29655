package starrockssim_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"starkeep/test/starrockssim/sqlparse"
)

// loadAnswer is what the stand-in BE said of a load.
type loadAnswer struct {
	Status     string
	Partitions map[string]int
	Versions   map[string]int64 `json:"visible_versions"`
}

// load brings rows into every bucket of the partitions that the recorded load touched.
func (p *player) load(s *step) error {
	var want loadAnswer
	if err := json.Unmarshal(s.Answer, &want); err != nil {
		return err
	}
	rows, err := p.rowsFor(s, want)
	if err != nil {
		return err
	}
	p.lastDB = s.DB
	err = p.c.Load(s.DB, s.Table, rows...)
	if (err == nil) != (want.Status == "OK") {
		return fmt.Errorf("load: %v, recorded %s", err, want.Status)
	}
	if err != nil {
		return nil
	}
	got, err := p.versions(s.DB, s.Table)
	if err != nil {
		return err
	}
	for name, v := range want.Versions {
		if got[name] != fmt.Sprint(v) {
			return fmt.Errorf("partition %s has version %s, want %d", name, got[name], v)
		}
	}
	return nil
}

func (p *player) versions(db, table string) (map[string]string, error) {
	r, err := p.run("", "", fmt.Sprintf("SHOW PARTITIONS FROM `%s`.`%s`", db, table))
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	name, version := slices.Index(r.names(), "PartitionName"), slices.Index(r.names(), "VisibleVersion")
	for _, row := range r.rows {
		out[*row[name]] = *row[version]
	}
	return out, nil
}

// rowsFor makes rows by the table's own DDL: enough of them that no bucket stays empty.
func (p *player) rowsFor(s *step, want loadAnswer) ([][]string, error) {
	r, err := p.run("", "", fmt.Sprintf("SHOW CREATE TABLE `%s`.`%s`", s.DB, s.Table))
	if err != nil {
		return nil, err
	}
	parsed, err := sqlparse.Parse(strings.TrimSuffix(*r.rows[0][1], ";"))
	if err != nil {
		return nil, err
	}
	ddl, ok := parsed[0].(*sqlparse.CreateTable)
	if !ok {
		return nil, fmt.Errorf("%s is not a table", s.Table)
	}
	var rows [][]string
	given := s.values()
	for i, name := range slices.Sorted(maps.Keys(want.Partitions)) {
		for range 40 {
			p.serial++
			row := make([]string, 0, len(ddl.Columns))
			for _, c := range ddl.Columns {
				if c.As == "" {
					row = append(row, p.valueFor(ddl, c, name, given, i))
				}
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// values are the partition columns' values that a load was given, one text for each new partition.
func (s *step) values() []string {
	var one string
	if json.Unmarshal(s.Value, &one) == nil && one != "" {
		return []string{one}
	}
	var list []string
	json.Unmarshal(s.Value, &list)
	return list
}

func (p *player) valueFor(ddl *sqlparse.CreateTable, c sqlparse.Column, partition string, given []string, n int) string {
	at := slices.Index(ddl.PartitionBy.Columns, c.Name)
	if at < 0 && c.Name == "dt" && len(given) > 0 {
		at = 0 // the column below a generated one
	}
	if at >= 0 {
		if len(given) == 0 {
			return partitionValue(ddl, at, partition)
		}
		parts := strings.Split(given[min(n, len(given)-1)], ",")
		return parts[min(at, len(parts)-1)]
	}
	switch {
	case strings.HasPrefix(c.Type, "date"):
		return "2025-01-15"
	case strings.Contains(c.Type, "char") || c.Type == "string":
		return fmt.Sprintf("v%d", p.serial)
	}
	return strconv.Itoa(p.serial)
}

// partitionValue is a value of the partition column that belongs into the partition.
func partitionValue(ddl *sqlparse.CreateTable, column int, partition string) string {
	for _, d := range ddl.PartitionBy.Partitions {
		if d.Name != partition {
			continue
		}
		switch {
		case d.In != nil:
			return d.In[0][column]
		case d.To != nil:
			return before(d.To[column])
		case d.LessThan != nil:
			return before(d.LessThan[column])
		}
	}
	digits := strings.TrimPrefix(partition, "p")
	for _, form := range []string{"20060102", "200601", "2006"} {
		if t, err := time.Parse(form, digits); err == nil {
			return t.Format(time.DateOnly)
		}
	}
	return "1"
}

// before is the value right before an upper bound.
func before(b sqlparse.Bound) string {
	if b.Max {
		return "2030-01-01"
	}
	if t, err := time.Parse(time.DateOnly, b.Value); err == nil {
		return t.AddDate(0, 0, -1).Format(time.DateOnly)
	}
	n, _ := strconv.Atoi(b.Value)
	return strconv.Itoa(n - 1)
}
