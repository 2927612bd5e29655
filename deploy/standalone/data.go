package main

import (
	"fmt"
	"time"
)

// demoTable is one table of the demo: its definition, and rows that are the same in each run.
type demoTable struct {
	Database, Name string
	Create         string
	Rows           func() []row
}

func (t demoTable) String() string { return t.Database + "." + t.Name }

const (
	firstMonth = "2026-01-01"
	months     = 6
	days       = 30 * months
)

// demoTables has each kind of table that a shop would have.
var demoTables = []demoTable{
	{
		Database: "sales", Name: "orders", Rows: orderRows,
		Create: "CREATE TABLE `sales`.`orders` (" +
			"`order_id` BIGINT NOT NULL, `ordered_on` DATE NOT NULL, `customer_id` BIGINT, `status` VARCHAR(16), `amount` DECIMAL(12,2)) " +
			"PRIMARY KEY (`order_id`, `ordered_on`) " + monthly("ordered_on") +
			"DISTRIBUTED BY HASH(`order_id`) BUCKETS 4 PROPERTIES (\"replication_num\" = \"3\")",
	},
	{
		Database: "sales", Name: "order_items", Rows: itemRows,
		Create: "CREATE TABLE `sales`.`order_items` (" +
			"`ordered_on` DATE NOT NULL, `order_id` BIGINT NOT NULL, `line` INT, `article` VARCHAR(32), `quantity` INT) " +
			"DUPLICATE KEY (`ordered_on`, `order_id`) " + monthly("ordered_on") +
			"DISTRIBUTED BY HASH(`order_id`) BUCKETS 4 PROPERTIES (\"replication_num\" = \"3\")",
	},
	{
		Database: "sales", Name: "revenue_by_day", Rows: revenueRows,
		Create: "CREATE TABLE `sales`.`revenue_by_day` (" +
			"`day` DATE NOT NULL, `region` VARCHAR(16) NOT NULL, `revenue` BIGINT SUM, `best_order` BIGINT MAX) " +
			"AGGREGATE KEY (`day`, `region`) " + monthly("day") +
			"DISTRIBUTED BY HASH(`region`) BUCKETS 2 PROPERTIES (\"replication_num\" = \"3\")",
	},
	{
		Database: "sales", Name: "customers", Rows: customerRows,
		Create: "CREATE TABLE `sales`.`customers` (" +
			"`customer_id` BIGINT NOT NULL, `name` VARCHAR(64), `country` VARCHAR(2)) " +
			"PRIMARY KEY (`customer_id`) " +
			"DISTRIBUTED BY HASH(`customer_id`) BUCKETS 4 PROPERTIES (\"replication_num\" = \"3\")",
	},
	{
		Database: "web", Name: "page_views", Rows: viewRows,
		Create: "CREATE TABLE `web`.`page_views` (" +
			"`viewed_on` DATE NOT NULL, `session_id` BIGINT NOT NULL, `path` VARCHAR(64), `milliseconds` INT) " +
			"DUPLICATE KEY (`viewed_on`, `session_id`) " + monthly("viewed_on") +
			"DISTRIBUTED BY HASH(`session_id`) BUCKETS 4 PROPERTIES (\"replication_num\" = \"3\")",
	},
	{
		Database: "web", Name: "sessions", Rows: sessionRows,
		Create: "CREATE TABLE `web`.`sessions` (" +
			"`session_id` BIGINT NOT NULL, `started_on` DATE NOT NULL, `browser` VARCHAR(16)) " +
			"PRIMARY KEY (`session_id`, `started_on`) " + monthly("started_on") +
			"DISTRIBUTED BY HASH(`session_id`) BUCKETS 4 PROPERTIES (\"replication_num\" = \"3\")",
	},
	{
		Database: "web", Name: "views_by_path", Rows: pathRows,
		Create: "CREATE TABLE `web`.`views_by_path` (" +
			"`path` VARCHAR(64) NOT NULL, `views` BIGINT SUM) " +
			"AGGREGATE KEY (`path`) " +
			"DISTRIBUTED BY HASH(`path`) BUCKETS 2 PROPERTIES (\"replication_num\" = \"3\")",
	},
}

// accident is damage that an operator or a job does, told in the way it would be noticed.
type accident struct {
	Table     string
	What      string
	SQL       string       // a statement, or
	WrongRows func() []row // rows of a load that should never have run
}

type row = []string

var accidents = []accident{
	{Table: "sales.order_items", What: "DROP TABLE", SQL: "DROP TABLE `sales`.`order_items`"},
	{Table: "web.page_views", What: "TRUNCATE", SQL: "TRUNCATE TABLE `web`.`page_views`"},
	{Table: "sales.orders", What: "a wrong load over March", WrongRows: wrongMarch},
}

// monthly partitions a table by month: p202601 … p202606.
func monthly(column string) string {
	partitions := ""
	for m := range months {
		from, to := month(m), month(m+1)
		if m > 0 {
			partitions += ", "
		}
		partitions += fmt.Sprintf("PARTITION p%s VALUES [(\"%s\"), (\"%s\"))",
			from.Format("200601"), from.Format(time.DateOnly), to.Format(time.DateOnly))
	}
	return fmt.Sprintf("PARTITION BY RANGE(`%s`) (%s) ", column, partitions)
}

func month(m int) time.Time {
	first, _ := time.Parse(time.DateOnly, firstMonth)
	return first.AddDate(0, m, 0)
}

// day spreads n over the first months.
func day(n int) string { return month(0).AddDate(0, 0, n%days).Format(time.DateOnly) }

func rows(n int, at func(i int) row) []row {
	all := make([]row, n)
	for i := range all {
		all[i] = at(i)
	}
	return all
}

func orderRows() []row {
	return rows(6000, func(i int) row {
		return row{fmt.Sprint(i), day(i), fmt.Sprint(i * 7 % 500), "paid", fmt.Sprintf("%d.%02d", i%900, i%100)}
	})
}

func itemRows() []row {
	return rows(12000, func(i int) row {
		return row{day(i / 2), fmt.Sprint(i / 2), fmt.Sprint(i%2 + 1), fmt.Sprintf("article-%03d", i*13%400), fmt.Sprint(i%5 + 1)}
	})
}

func revenueRows() []row {
	regions := []string{"north", "south", "east", "west"}
	return rows(days*len(regions), func(i int) row {
		return row{day(i / len(regions)), regions[i%len(regions)], fmt.Sprint(1000 + i*37%9000), fmt.Sprint(i)}
	})
}

func customerRows() []row {
	countries := []string{"DE", "FR", "IN", "BR", "US"}
	return rows(500, func(i int) row {
		return row{fmt.Sprint(i), fmt.Sprintf("Customer %d", i), countries[i%len(countries)]}
	})
}

func viewRows() []row {
	return rows(15000, func(i int) row {
		return row{day(i / 3), fmt.Sprint(i / 3), fmt.Sprintf("/articles/%d", i*11%400), fmt.Sprint(i % 700)}
	})
}

func sessionRows() []row {
	browsers := []string{"firefox", "chrome", "safari"}
	return rows(5000, func(i int) row {
		return row{fmt.Sprint(i), day(i), browsers[i%len(browsers)]}
	})
}

func pathRows() []row {
	return rows(400, func(i int) row { return row{fmt.Sprintf("/articles/%d", i), fmt.Sprint(i * 3)} })
}

// wrongMarch is a load of a test system's orders that went to the wrong cluster: it overwrites all orders of March.
func wrongMarch() []row {
	var wrong []row
	for _, r := range orderRows() {
		if r[1][:7] == "2026-03" {
			wrong = append(wrong, row{r[0], r[1], "0", "test", "0.01"})
		}
	}
	return wrong
}
