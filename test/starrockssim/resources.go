package starrockssim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"starkeep/test/starrockssim/mysqlwire"
	"starkeep/test/starrockssim/sqlparse"
)

// resourceGroup is a resource group. It limits nothing here.
type resourceGroup struct {
	name        string
	id          int64
	limits      map[string]string // as CREATE gave them
	classifiers []classifier
}

type classifier struct {
	id    int64
	rules []sqlparse.Property // user = 'root'
}

// builtInGroups are those that every cluster shows (measured in 3.5).
var builtInGroups = []*resourceGroup{
	{name: "default_mv_wg", id: 3, limits: map[string]string{"cpu_weight": "1", "mem_limit": "80%", "spill_mem_limit_threshold": "80%"}},
	{name: "default_wg", id: 2, limits: map[string]string{"cpu_weight": "2", "mem_limit": "100%"}},
}

// The columns as measured in 3.5; those of before 3.3 are by source, not measured (starrocks-facts §8).
var (
	groupColumns        = words("name id cpu_weight exclusive_cpu_cores mem_limit big_query_cpu_second_limit big_query_scan_rows_limit big_query_mem_limit concurrency_limit spill_mem_limit_threshold classifiers")
	groupColumnsVerbose = words("name id cpu_weight exclusive_cpu_cores mem_limit max_cpu_cores big_query_cpu_second_limit big_query_scan_rows_limit big_query_mem_limit concurrency_limit spill_mem_limit_threshold type classifiers")
	groupColumnsBefore  = words("name id cpu_core_limit mem_limit big_query_cpu_second_limit big_query_scan_rows_limit big_query_mem_limit concurrency_limit type classifiers")
)

// showResourceGroups gives a row for each classifier. ALL, and one by its name, are for everybody (measured in 3.5); else the
// rows are those that fit the user.
func (s *session) showResourceGroups(st *sqlparse.ShowResourceGroups) *mysqlwire.Result {
	names := groupColumns
	switch {
	case s.c.older(3, 3):
		names = groupColumnsBefore
	case st.Verbose:
		names = groupColumnsVerbose
	}
	groups := slices.Clone(s.c.resourceGroups)
	if !s.c.older(3, 3) { // before, only the BEs know the built-in ones (by source, not measured)
		groups = append(groups, builtInGroups...)
	}
	slices.SortFunc(groups, func(a, b *resourceGroup) int { return strings.Compare(a.name, b.name) })
	var rows [][]any
	for _, g := range groups {
		if st.Name != "" && g.name != st.Name {
			continue
		}
		list := g.classifiers
		if len(list) == 0 && (st.All || st.Name != "") {
			list = []classifier{{}}
		}
		for _, c := range list {
			if st.All || st.Name != "" || c.fits(s.user.name) {
				rows = append(rows, g.row(names, c))
			}
		}
	}
	return answer(names, rows)
}

func (c classifier) fits(user string) bool {
	return !slices.ContainsFunc(c.rules, func(r sqlparse.Property) bool { return r.Key == "user" && r.Value != user })
}

// text is a classifier as it is shown. The weights of user and db are measured in 3.5; the others are by source.
func (c classifier) text() string {
	weight, rules := 0.0, ""
	for _, r := range c.rules {
		value := r.Value
		if weight++; r.Key == "db" {
			weight += 9
			value = "'" + value + "'"
		}
		rules += ", " + r.Key + "=" + value
	}
	return fmt.Sprintf("(id=%d, weight=%.1f%s)", c.id, weight, rules)
}

func (g *resourceGroup) row(names []string, c classifier) []any {
	unset := map[string]string{"spill_mem_limit_threshold": "100%", "concurrency_limit": "null", "max_cpu_cores": "null", "type": "NORMAL"}
	row := make([]any, len(names))
	for i, name := range names {
		value, given := g.limits[strings.Replace(name, "cpu_core_limit", "cpu_weight", 1)]
		switch {
		case name == "name":
			value = g.name
		case name == "id":
			value = fmt.Sprint(g.id)
		case name == "classifiers":
			value = c.text()
		case name == "mem_limit" && given:
			n, _ := strconv.ParseFloat(strings.TrimSuffix(value, "%"), 64)
			value = fmt.Sprintf("%.1f%%", n)
		case !given && unset[name] != "":
			value = unset[name]
		case !given:
			value = "0"
		}
		row[i] = value
	}
	return row
}

func (c *Cluster) createResourceGroup(s *session, st *sqlparse.CreateResourceGroup) error {
	if err := s.may("CREATE RESOURCE GROUP", "SYSTEM", nil, nil); err != nil {
		return err
	}
	if c.groupAt(st.Name) >= 0 {
		return plainError("RESOURCE_GROUP(%s) already exists", st.Name) // by source, not measured
	}
	g := &resourceGroup{name: st.Name, id: c.nextID(), limits: map[string]string{}}
	for _, p := range st.Properties {
		g.limits[strings.Replace(strings.ToLower(p.Key), "cpu_core_limit", "cpu_weight", 1)] = p.Value
	}
	for _, rules := range st.Classifiers {
		g.classifiers = append(g.classifiers, classifier{c.nextID(), rules})
	}
	c.resourceGroups = append(c.resourceGroups, g)
	return nil
}

func (c *Cluster) groupAt(name string) int {
	return slices.IndexFunc(c.resourceGroups, func(g *resourceGroup) bool { return g.name == name })
}

func (c *Cluster) dropResourceGroup(s *session, st *sqlparse.DropResourceGroup) error {
	if err := s.may("DROP", "RESOURCE GROUP", nil, nil); err != nil {
		return err
	}
	at := c.groupAt(st.Name)
	if at < 0 {
		return plainError("RESOURCE_GROUP(%s) does not exist", st.Name) // by source, not measured
	}
	c.resourceGroups = slices.Delete(c.resourceGroups, at, at+1)
	return nil
}

// showStorageVolumes answers none in a shared-nothing cluster where nobody made one (measured in 3.5). That one can be made
// there, and that only those are shown on which a user has a privilege, is by source, not measured.
func (s *session) showStorageVolumes() *mysqlwire.Result {
	var rows [][]any
	for _, name := range s.c.volumes {
		if s.user.admin {
			rows = append(rows, []any{name})
		}
	}
	return answer([]string{"Storage Volume"}, rows)
}

func (c *Cluster) createStorageVolume(s *session, st *sqlparse.CreateStorageVolume) error {
	if err := s.may("CREATE STORAGE VOLUME", "SYSTEM", nil, nil); err != nil {
		return err
	}
	if slices.Contains(c.volumes, st.Name) {
		if st.IfNotExists {
			return nil
		}
		return plainError("Storage volume '%s' already exists", st.Name) // by source, not measured
	}
	c.volumes = append(c.volumes, st.Name)
	slices.Sort(c.volumes)
	return nil
}

func (c *Cluster) dropStorageVolume(s *session, st *sqlparse.DropStorageVolume) error {
	if err := s.may("DROP", "STORAGE VOLUME", nil, nil); err != nil {
		return err
	}
	at := slices.Index(c.volumes, st.Name)
	if at < 0 && !st.IfExists {
		return plainError("Storage volume '%s' does not exist", st.Name) // by source, not measured
	}
	if at >= 0 {
		c.volumes = slices.Delete(c.volumes, at, at+1)
	}
	return nil
}
