# Reads what was taken away by readr, and the database by RSQLite; prints what it has, a line a row, cells between tabs.
#
# Usage: Rscript read.R DIR DATABASE

suppressPackageStartupMessages({
  library(readr)
  library(DBI)
})
arguments <- commandArgs(trailingOnly = TRUE)
options(digits.secs = 3)

cell <- function(column) {
  if (is.double(column) && !inherits(column, "POSIXct")) ifelse(is.nan(column), "nan", ifelse(is.na(column), "", sub("Inf", "inf", sprintf("%.17g", column))))
  else ifelse(is.na(column), "", encodeString(as.character(column)))
}
told <- function(name, frame) {
  cat(name, "\t", paste(names(frame), vapply(frame, function(column) class(column)[1], ""), sep = ":", collapse = "\t"), "\n", sep = "")
  cat(do.call(paste, c(list(name), lapply(frame, cell), sep = "\t")), sep = "\n")
}
read <- function(table, ...) {
  frame <- read_csv(file.path(arguments[1], paste0(table, ".csv")), show_col_types = FALSE, progress = FALSE, ...)
  found <- problems(frame)
  if (nrow(found) > 0) stop(table, ": ", paste(capture.output(print(found)), collapse = "\n"))
  frame
}

told("curves", read("curves"))
told("runs", read("runs"))
told("hostile", read("hostile", trim_ws = FALSE)[c("reason", "arm")])
told("report", read("report"))
told("claims", read("claims"))
connection <- dbConnect(RSQLite::SQLite(), arguments[2], flags = RSQLite::SQLITE_RO)
told("v_curves", dbGetQuery(connection, "SELECT * FROM v_curves ORDER BY run, metric, step"))
told("v_runs", dbGetQuery(connection, "SELECT * FROM v_runs ORDER BY run"))
dbDisconnect(connection)
