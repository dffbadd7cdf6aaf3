//! A module that traps on demand, made of the one that is shipped, to show what one trap costs.
//!
//! The shipped module has no use for request bodies and does not export `proxy_on_request_body`. Here it does, and the function is
//! a single `unreachable`: any request with a body traps the VM of its worker. All the rest is as shipped.

use anyhow::{Context, Result, bail, ensure};
use std::convert::Infallible;
use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{CodeSection, ExportKind, ExportSection, Function, FunctionSection, Module, TypeSection, ValType};
use wasmparser::{
    CodeSectionReader, ExportSectionReader, FunctionSectionReader, Parser, Payload, TypeRef, TypeSectionReader,
};

/// What Envoy calls for each piece of a request's body, if it is there.
const CALLBACK: &str = "proxy_on_request_body";

/// This module with a callback for request bodies that traps.
///
/// # Errors
/// If it is no module, or has the callback already.
pub fn trapping(module: &[u8]) -> Result<Vec<u8>> {
    let (mut trap, mut made) = (Trap { functions: imported_functions(module)?, callback_type: 0 }, Module::new());
    match trap.parse_core_module(&mut made, Parser::new(0), module) {
        Ok(()) => Ok(made.finish()),
        Err(error) => bail!("the module cannot be rewritten: {error}"),
    }
}

/// How many functions are imported: they come first when functions are numbered.
fn imported_functions(module: &[u8]) -> Result<u32> {
    let mut imported = 0;
    for payload in Parser::new(0).parse_all(module) {
        match payload.context("not a module")? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    imported += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    ensure!(export?.name != CALLBACK, "the module exports {CALLBACK} already");
                }
            }
            _ => {}
        }
    }
    Ok(imported)
}

/// Copies a module and adds to its sections what the callback needs in each of them.
struct Trap {
    /// The functions so far: after the section that declares them, the number of the callback.
    functions: u32,
    callback_type: u32,
}

impl Reencode for Trap {
    type Error = Infallible;

    fn parse_type_section(
        &mut self,
        types: &mut TypeSection,
        section: TypeSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        utils::parse_type_section(self, types, section)?;
        self.callback_type = types.len();
        // The request, the size of what is there of the body, and whether that is all.
        types.ty().function([ValType::I32; 3], [ValType::I32]);
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        utils::parse_function_section(self, functions, section)?;
        self.functions += functions.len();
        functions.function(self.callback_type);
        Ok(())
    }

    fn parse_export_section(
        &mut self,
        exports: &mut ExportSection,
        section: ExportSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        utils::parse_export_section(self, exports, section)?;
        exports.export(CALLBACK, ExportKind::Func, self.functions);
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: CodeSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        utils::parse_code_section(self, code, section)?;
        let mut callback = Function::new([]);
        callback.instructions().unreachable().end();
        code.function(&callback);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One import, one function, both of one type, and an export.
    const MODULE: &[u8] = b"\0asm\x01\0\0\0\
        \x01\x04\x01\x60\0\0\
        \x02\x07\x01\x01e\x01i\0\0\
        \x03\x02\x01\0\
        \x07\x05\x01\x01f\0\x01\
        \x0a\x04\x01\x02\0\x0b";

    #[test]
    fn the_callback_is_the_last_function_and_the_only_change() {
        let made = trapping(MODULE).unwrap();
        assert_eq!(exports(MODULE), ["f 1"]);
        assert_eq!(exports(&made), ["f 1", "proxy_on_request_body 2"]);
    }

    fn exports(module: &[u8]) -> Vec<String> {
        let mut exports = Vec::new();
        for payload in Parser::new(0).parse_all(module) {
            if let Payload::ExportSection(section) = payload.unwrap() {
                let described = section.into_iter().map(|export| export.unwrap());
                exports.extend(described.map(|export| format!("{} {}", export.name, export.index)));
            }
        }
        exports
    }

    #[test]
    fn what_is_no_module_or_has_the_callback_is_refused() {
        assert!(trapping(b"wasm").is_err());
        let twice = trapping(&trapping(MODULE).unwrap()).unwrap_err();
        assert_eq!(twice.to_string(), "the module exports proxy_on_request_body already");
    }
}
