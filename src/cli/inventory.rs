//! `keysweep inventory`: the access keys of one's accounts.

use std::io;

use anyhow::{Context, Result, anyhow};

use super::args::InventoryArgs;
use super::exit::Exit;
use super::offline;
use super::output;
use super::owner;
use super::triage::tell_calls_of;
use crate::aws::Account;
use crate::report;
use crate::triage::inventory::{Gap, Inventory};

pub(super) fn run(args: &InventoryArgs) -> Result<Exit> {
    let inventories: Vec<Inventory> = if args.owner.is_offline() {
        offline::inventories(&args.owner)?.into_values().collect()
    } else {
        let home = owner::connect(&args.owner)?;
        let asked = online(args, &home);
        if args.verbose {
            tell_calls_of(&home);
        }
        asked?
    };
    for gap in inventories.iter().flat_map(|inventory| &inventory.missing) {
        output::note(&format!("not known: {}", gap.told()));
    }
    let now = jiff::Timestamp::now().as_second();
    report::inventory::write(args.shape(), &inventories, now, &mut io::stdout().lock())
        .context("writing the inventory failed")?;
    Ok(Exit::Clean)
}

/// Every key of every account, or nothing: an inventory with holes would pass for one without.
fn online(args: &InventoryArgs, home: &Account) -> Result<Vec<Inventory>> {
    let mut all = vec![home.every_key().map_err(told)?];
    for account in owner::neighbours(home, &args.owner)? {
        all.push(account.every_key().map_err(told)?);
    }
    Ok(all)
}

fn told(gap: Gap) -> anyhow::Error {
    anyhow!("{}", gap.told())
}
