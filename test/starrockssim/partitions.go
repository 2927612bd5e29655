package starrockssim

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"starkeep/test/starrockssim/sqlparse"
)

// partitionDefs makes the partitions that CREATE TABLE lists, without ids and tablets.
func (t *table) partitionDefs(by sqlparse.PartitionBy) ([]*partition, error) {
	t.part.columns = t.exactNames(by.Columns)
	switch by.Kind {
	case sqlparse.Unpartitioned:
		t.part.kind = unpartitioned
		return []*partition{t.blank(t.name)}, nil
	case sqlparse.ExpressionPartitions:
		return t.expressionPartitions(by)
	case sqlparse.ListPartitioned:
		t.part.kind = byList
	default:
		t.part.kind = byRange
	}
	var list []*partition
	for _, def := range by.Partitions {
		p, err := t.partitionOf(def, list)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	for _, step := range by.Steps {
		steps, err := t.steps(step)
		if err != nil {
			return nil, err
		}
		list = append(list, steps...)
	}
	return list, nil
}

func (t *table) blank(name string) *partition {
	return &partition{name: name, replicas: t.replicas, buckets: t.dist.buckets, visible: 1, next: 2, data: 1, at: time.Now().UTC()}
}

// expressionPartitions: date_trunc('unit', column) is an automatic range, columns are an automatic list.
func (t *table) expressionPartitions(by sqlparse.PartitionBy) ([]*partition, error) {
	t.part.auto, t.part.kind = true, byList
	p := t.blank(shadowPartition)
	if len(by.Exprs) > 1 {
		for i, n := 0, 0; i < len(by.Exprs); i++ {
			call, ok := by.Exprs[i].(*sqlparse.Call)
			if !ok {
				continue
			}
			name, err := t.generatedPartition(call, n)
			if err != nil {
				return nil, err
			}
			t.part.columns[i], n = name, n+1
		}
		return []*partition{p}, nil
	}
	call, ok := by.Exprs[0].(*sqlparse.Call)
	if !ok {
		return []*partition{p}, nil
	}
	unit, ok := call.Args[0].(*sqlparse.Literal)
	if len(by.Exprs) != 1 || call.Name != "date_trunc" || len(call.Args) != 2 || !ok {
		return nil, analyzed("Unsupported partition expression in the simulator: %s", call.Name)
	}
	ref, ok := call.Args[1].(*sqlparse.ColumnRef)
	if !ok {
		return nil, analyzed("Unsupported expression in date_trunc")
	}
	t.part = partitioning{kind: byExprRange, columns: t.exactNames(ref.Parts[len(ref.Parts)-1:]), unit: unit.Value, auto: true}
	p.lower, p.upper = []string{shadowBound}, []string{shadowBound}
	var list []*partition
	for _, step := range by.Steps {
		steps, err := t.steps(step)
		if err != nil {
			return nil, err
		}
		list = append(list, steps...)
	}
	return append([]*partition{p}, list...), nil
}

// partitionOf makes one partition of a RANGE or LIST table; before are those that exist already.
func (t *table) partitionOf(def sqlparse.PartitionDef, before []*partition) (*partition, error) {
	if !partitionName.MatchString(def.Name) {
		return nil, analyzing(1567, "HY000", "", "Incorrect partition name '%s'", def.Name)
	}
	if slices.ContainsFunc(before, func(p *partition) bool { return strings.EqualFold(p.name, def.Name) }) {
		return nil, analyzed("Duplicated partition name: %s", def.Name)
	}
	p := t.blank(def.Name)
	if n, err := strconv.Atoi(propertyMap(def.Properties)["replication_num"]); err == nil {
		p.replicas = n
	}
	if t.part.kind == byList {
		p.values = def.In
		return p, nil
	}
	if slices.ContainsFunc(before, func(o *partition) bool { return !o.shadow() && o.fixed != (def.From != nil) }) && t.id == 0 {
		return nil, analyzed("You can only use one of these methods to create partitions")
	}
	p.fixed = def.From != nil
	switch {
	case def.From != nil:
		p.lower, p.upper = t.bounds(def.From), t.bounds(def.To)
	default:
		p.upper = t.bounds(def.LessThan)
		p.lower = t.lowerBound(p.upper, before)
	}
	for _, other := range before {
		if !other.shadow() && t.overlap(p, other) {
			return nil, analyzed("Range %s is intersected with range: %s", t.rangeText(p), t.rangeText(other))
		}
	}
	return p, nil
}

func (t *table) bounds(list []sqlparse.Bound) []string {
	out := make([]string, len(t.part.columns))
	for i, name := range t.part.columns {
		typ := t.columns[t.columnIndex(name)].typ
		switch {
		case i >= len(list):
			out[i] = minValue(typ)
		case list[i].Max:
			out[i] = maxValue
		case isTime(typ):
			out[i] = normalTime(typ, list[i].Value)
		default:
			out[i] = list[i].Value
		}
	}
	return out
}

// lowerBound of VALUES LESS THAN is the highest upper bound below.
func (t *table) lowerBound(upper []string, before []*partition) []string {
	low := make([]string, len(t.part.columns))
	for i, name := range t.part.columns {
		low[i] = minValue(t.columns[t.columnIndex(name)].typ)
	}
	for _, p := range before {
		if !p.shadow() && t.compareKeys(p.upper, upper) < 0 && t.compareKeys(p.upper, low) > 0 {
			low = p.upper
		}
	}
	return low
}

func (t *table) overlap(a, b *partition) bool {
	return t.compareKeys(a.lower, b.upper) < 0 && t.compareKeys(b.lower, a.upper) < 0
}

// steps expands START … END … EVERY.
func (t *table) steps(step sqlparse.PartitionStep) ([]*partition, error) {
	typ := t.columns[t.columnIndex(t.part.columns[0])].typ
	var list []*partition
	if step.Unit == "" {
		from, err1 := strconv.Atoi(step.Start)
		to, err2 := strconv.Atoi(step.End)
		if err1 != nil || err2 != nil || step.Every < 1 {
			return nil, analyzed("Batch build partition EVERY is wrong")
		}
		for n := from; n < to; n += step.Every {
			p := t.blank(fmt.Sprintf("p%d", n))
			p.lower, p.upper = []string{fmt.Sprint(n)}, []string{fmt.Sprint(n + step.Every)}
			list = append(list, p)
		}
		return list, nil
	}
	at, ok1 := parseTime(step.Start)
	end, ok2 := parseTime(step.End)
	if !ok1 || !ok2 || step.Every < 1 {
		return nil, analyzed("Batch build partition EVERY is wrong")
	}
	for at.Before(end) {
		next := addTime(step.Unit, at, step.Every)
		p := t.blank(automaticName(step.Unit, at))
		p.lower, p.upper = []string{formatTime(typ, at)}, []string{formatTime(typ, next)}
		list, at = append(list, p), next
	}
	return list, nil
}

// rangeText is the Range column of SHOW PARTITIONS.
func (t *table) rangeText(p *partition) string {
	var types []string
	for _, name := range t.part.columns {
		types = append(types, metaTypeOf(t.columns[t.columnIndex(name)].typ).Type)
	}
	side := func(values []string) string {
		shown := slices.Clone(values)
		for i, v := range shown {
			if v == maxValue {
				shown[i] = "MAXVALUE"
			}
		}
		return fmt.Sprintf("types: [%s]; keys: [%s]; ", strings.Join(types, ", "), strings.Join(shown, ", "))
	}
	return "[" + side(p.lower) + ".." + side(p.upper) + ")"
}

// listText is the List column of SHOW PARTITIONS.
func (p *partition) listText() string {
	if len(p.values) == 0 {
		return ""
	}
	text, _ := json.Marshal(p.values)
	return string(text)
}
