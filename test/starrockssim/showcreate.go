package starrockssim

import (
	"fmt"
	"strconv"
	"strings"

	"starkeep/test/starrockssim/mysqlwire"
	"starkeep/test/starrockssim/sqlparse"
)

// displayType is the type as SHOW CREATE TABLE prints it.
func displayType(typ string) string {
	switch typ {
	case "tinyint":
		return "tinyint(4)"
	case "smallint":
		return "smallint(6)"
	case "int", "integer":
		return "int(11)"
	case "bigint":
		return "bigint(20)"
	case "largeint":
		return "largeint(40)"
	case "boolean":
		return "boolean"
	case "string":
		return "varchar(65533)"
	}
	return typ
}

func columnText(t *table, col column) string {
	text := fmt.Sprintf("`%s` %s", col.name, displayType(col.typ))
	if t.keys == aggregateKeys && !col.key && col.agg != "" {
		text += " " + col.agg
	}
	if col.nullable {
		text += " NULL"
	} else {
		text += " NOT NULL"
	}
	if col.autoInc {
		text += " AUTO_INCREMENT"
	}
	if col.hasDef {
		text += fmt.Sprintf(" DEFAULT \"%s\"", col.def)
	}
	if col.gen != "" {
		text += " AS " + col.gen
	}
	return text + fmt.Sprintf(" COMMENT \"%s\"", col.comment)
}

func (s *session) showCreate(st *sqlparse.ShowCreate) (*mysqlwire.Result, error) {
	if st.What == "DATABASE" {
		db := s.c.dbs[st.Name.Name]
		if db == nil {
			return nil, unknownDatabase(st.Name.Name)
		}
		return answer([]string{"Database", "Create Database"}, [][]any{{db.name, "CREATE DATABASE `" + db.name + "`"}}), nil
	}
	db, t, err := s.table(st.Name)
	if err != nil {
		return nil, err
	}
	if !s.seesTable(db, t) {
		return nil, s.denied("ANY", "TABLE "+t.name)
	}
	switch {
	case st.What == "MATERIALIZED VIEW" && !t.isMV(), st.What == "VIEW" && !t.isView():
		return nil, tableNotFound(t.name)
	case t.isView():
		return answer([]string{"View", "Create View", "character_set_client", "collation_connection"}, [][]any{{t.name, t.createView(), "utf8", "utf8_general_ci"}}), nil
	case st.What == "MATERIALIZED VIEW":
		return answer([]string{"Materialized View", "Create Materialized View"}, [][]any{{t.name, t.createMV()}}), nil
	case t.isMV():
		return answer([]string{"Table", "Create Table"}, [][]any{{t.name, t.createMV()}}), nil
	}
	return answer([]string{"Table", "Create Table"}, [][]any{{t.name, t.createTable()}}), nil
}

func (t *table) createView() string {
	var cols []string
	for _, vc := range t.view.columns {
		text := "`" + vc.name + "`"
		if vc.comment != "" {
			text += fmt.Sprintf(" COMMENT \"%s\"", vc.comment)
		}
		cols = append(cols, text)
	}
	comment := ""
	if t.comment != "" {
		comment = fmt.Sprintf("\nCOMMENT \"%s\"", t.comment)
	}
	return fmt.Sprintf("CREATE VIEW `%s` (%s)%s SECURITY NONE AS %s;", t.name, strings.Join(cols, ", "), comment, t.view.query)
}

func (t *table) createMV() string {
	var cols []string
	for _, vc := range t.view.columns {
		cols = append(cols, "`"+vc.name+"`")
	}
	comment := ""
	if t.comment != "" {
		comment = fmt.Sprintf("COMMENT \"%s\"\n", t.comment)
	}
	return fmt.Sprintf("CREATE MATERIALIZED VIEW `%s` (%s)\n%s%s\nREFRESH %s\n%s\nAS %s;", t.name, strings.Join(cols, ", "), comment+t.view.part, t.distributedBy(), t.view.refresh,
		t.propertiesText(), t.view.query)
}

func (t *table) distributedBy() string {
	switch {
	case t.dist.random && (t.dist.auto || t.isMV()):
		return "DISTRIBUTED BY RANDOM"
	case t.dist.random:
		return fmt.Sprintf("DISTRIBUTED BY RANDOM BUCKETS %d", t.dist.buckets)
	case t.dist.auto:
		return fmt.Sprintf("DISTRIBUTED BY HASH(%s)", quoteNames(t.dist.columns))
	}
	return fmt.Sprintf("DISTRIBUTED BY HASH(%s) BUCKETS %d ", quoteNames(t.dist.columns), t.dist.buckets)
}

func (t *table) propertiesText() string {
	props := map[string]string{"replication_num": strconv.Itoa(t.replicas)}
	for k, v := range t.props {
		props[k] = v
	}
	var lines []string
	for _, k := range sortedKeys(props) {
		lines = append(lines, fmt.Sprintf("\"%s\" = \"%s\"", k, props[k]))
	}
	return "PROPERTIES (\n" + strings.Join(lines, ",\n") + "\n)"
}

func quoteNames(names []string) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = "`" + n + "`"
	}
	return strings.Join(out, ", ")
}

func (t *table) createTable() string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE `%s` (\n", t.name)
	for i, col := range t.columns {
		if i > 0 {
			b.WriteString(",\n")
		}
		b.WriteString("  " + columnText(t, col))
	}
	for _, ix := range t.indexes {
		fmt.Fprintf(&b, ",\n  INDEX %s (%s) USING BITMAP COMMENT '%s'", ix.name, quoteNames(ix.columns), ix.comment)
	}
	model := map[string]string{duplicateKeys: "DUPLICATE", aggregateKeys: "AGGREGATE", uniqueKeys: "UNIQUE", primaryKeys: "PRIMARY"}[t.keys]
	fmt.Fprintf(&b, "\n) ENGINE=OLAP \n%s KEY(%s)\n", model, quoteNames(t.keyColumns()))
	if t.comment != "" {
		fmt.Fprintf(&b, "COMMENT \"%s\"\n", t.comment)
	}
	b.WriteString(t.partitionText())
	b.WriteString(t.distributedBy() + "\n")
	if len(t.sortKey) > 0 {
		fmt.Fprintf(&b, "ORDER BY(%s)\n", quoteNames(t.sortKey))
	}
	return b.String() + t.propertiesText() + ";"
}

func (t *table) partitionText() string {
	var lines []string
	switch {
	case t.part.kind == unpartitioned:
		return ""
	case t.part.kind == byExprRange:
		return fmt.Sprintf("PARTITION BY date_trunc('%s', %s)\n", t.part.unit, t.part.columns[0])
	case t.part.kind == byList && t.part.auto:
		return fmt.Sprintf("PARTITION BY (%s)\n", strings.ReplaceAll(quoteNames(t.part.columns), ", ", ","))
	case t.part.kind == byList:
		for p := range t.shownPartitions(false) {
			var values []string
			for _, v := range p.values {
				text := "'" + strings.Join(v, "', '") + "'"
				if len(t.part.columns) > 1 {
					text = "(" + text + ")"
				}
				values = append(values, text)
			}
			lines = append(lines, fmt.Sprintf("  PARTITION %s VALUES IN (%s)", p.name, strings.Join(values, ", ")))
		}
		return fmt.Sprintf("PARTITION BY LIST(%s)(\n%s\n)\n", strings.ReplaceAll(quoteNames(t.part.columns), ", ", ","), strings.Join(lines, ",\n"))
	}
	for p := range t.shownPartitions(false) {
		lines = append(lines, fmt.Sprintf("PARTITION %s VALUES [%s, %s)", p.name, boundText(p.lower), boundText(p.upper)))
	}
	return fmt.Sprintf("PARTITION BY RANGE(%s)\n(%s)\n", quoteNames(t.part.columns), strings.Join(lines, ",\n"))
}

func boundText(values []string) string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = `"` + v + `"`
		if v == maxValue {
			out[i] = "MAXVALUE"
		}
	}
	return "(" + strings.Join(out, ", ") + ")"
}
