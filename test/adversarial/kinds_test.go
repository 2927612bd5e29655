package adversarial

import (
	"fmt"
	"strings"
)

// kind is a kind of table. All have the columns at, k and v, so that one model fits.
type kind struct {
	name   string
	model  string // DUPLICATE, PRIMARY, UNIQUE, AGGREGATE
	scheme string // range, list, automatic, none
}

var kinds = allKinds()

func allKinds() (list []*kind) {
	for _, scheme := range []string{"range", "list", "automatic", "none"} {
		for _, model := range []string{"DUPLICATE", "PRIMARY", "UNIQUE", "AGGREGATE"} {
			list = append(list, &kind{strings.ToLower(model) + " " + scheme, model, scheme})
		}
	}
	return list
}

const rangePartitions = "PARTITION p1 VALUES LESS THAN ('2026-02-01'), PARTITION p2 VALUES LESS THAN ('2026-03-01'), " +
	"PARTITION p3 VALUES LESS THAN ('2026-04-01'), PARTITION p4 VALUES LESS THAN ('2026-05-01')"

var cities = map[string]string{"Rome": "it", "Turin": "it", "Oslo": "no", "Bonn": "de"}

// create is the statement that creates a table.
func (k *kind) create(name string, buckets, replicas int) string {
	at, v, by, key := "DATE", "BIGINT", "", "at, k"
	switch k.scheme {
	case "range":
		by = "PARTITION BY RANGE(at) (" + rangePartitions + ") "
	case "list":
		at, by = "VARCHAR(20)", "PARTITION BY LIST(at) (PARTITION it VALUES IN ('Rome', 'Turin'), PARTITION no VALUES IN ('Oslo'), PARTITION de VALUES IN ('Bonn')) "
	case "automatic":
		by = "PARTITION BY date_trunc('month', at) "
	}
	if k.model == "AGGREGATE" {
		v = "BIGINT SUM"
	}
	return fmt.Sprintf("CREATE TABLE %s (at %s NOT NULL, k BIGINT NOT NULL, v %s) %s KEY(%s) %sDISTRIBUTED BY HASH(k) BUCKETS %d PROPERTIES(\"replication_num\"=\"%d\")",
		quoted(name), at, v, k.model, key, by, buckets, replicas)
}

// born are the partitions that a new table has.
func (k *kind) born() contents {
	c := contents{}
	switch k.scheme {
	case "range":
		for i := range 4 {
			c[fmt.Sprintf("p%d", i+1)] = nil
		}
	case "list":
		c["it"], c["no"], c["de"] = nil, nil, nil
	case "none":
		c["-"] = nil
	}
	return c
}

// places are values of at, one or two for each partition.
func (k *kind) places() []string {
	if k.scheme == "list" {
		return []string{"Rome", "Turin", "Oslo", "Bonn"}
	}
	return []string{"2026-01-05", "2026-02-06", "2026-03-07", "2026-04-08"}
}

// partition says where a value of at goes.
func (k *kind) partition(at string) string {
	switch k.scheme {
	case "none":
		return "-"
	case "list":
		return cities[at]
	case "automatic":
		return "p" + strings.ReplaceAll(at[:7], "-", "")
	}
	return "p" + at[6:7]
}

// quoted writes "database.table" for SQL.
func quoted(name string) string { return "`" + databaseOf(name) + "`.`" + tableOf(name) + "`" }
