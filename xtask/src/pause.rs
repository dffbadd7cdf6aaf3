//! A request that waits is paused as a whole: its body and its trailers wait with it.
//!
//! When a filter pauses at the headers, the SDK's `Action` can say no more than "stop at this callback" (1). As a rule Envoy takes that for
//! "stop everything" (4), but not for a plugin with `allow_on_headers_stop_iteration`: there the body goes on, and takes the headers with
//! it, which are not decided on yet. The ABI has the other answer and the SDK has not, so the module says it: what the callback
//! returns is multiplied by four. To answer for each piece of the body instead would cost every request with one an entry into the
//! VM, and refuse bodies that are larger than Envoy's buffer.

use anyhow::{Context, Result, bail, ensure};
use std::convert::Infallible;
use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{CodeSection, ExportSection, Function, FunctionSection, Module, TypeSection, ValType};
use wasmparser::{
    CodeSectionReader, Export, ExportSectionReader, ExternalKind, FunctionSectionReader, Parser, Payload, TypeRef,
    TypeSectionReader,
};

const CALLBACK: &str = "proxy_on_request_headers";

/// Multiplies by four.
const SHIFT: i32 = 2;

/// This module, pausing everything where it pauses at the headers of a request.
pub(crate) fn all_of_it(module: &[u8]) -> Result<Vec<u8>> {
    let (mut pause, mut made) = (Pause { functions: imported_functions(module)?, ..Pause::default() }, Module::new());
    match pause.parse_core_module(&mut made, Parser::new(0), module) {
        Ok(()) => ensure!(pause.callback.is_some(), "the module does not export {CALLBACK}"),
        Err(error) => bail!("the module cannot be rewritten: {error}"),
    }
    Ok(made.finish())
}

/// How many functions are imported: they come first when functions are numbered.
fn imported_functions(module: &[u8]) -> Result<u32> {
    let mut imported = 0;
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::ImportSection(imports) = payload.context("it is no WebAssembly module")? {
            for import in imports.into_imports() {
                imported += u32::from(matches!(import?.ty, TypeRef::Func(_)));
            }
        }
    }
    Ok(imported)
}

/// Copies a module and puts one more function between the host and the callback.
#[derive(Default)]
struct Pause {
    /// The functions so far: after the section that declares them, the number of the new one.
    functions: u32,
    its_type: u32,
    /// The number of the SDK's function.
    callback: Option<u32>,
}

impl Reencode for Pause {
    type Error = Infallible;

    fn parse_type_section(
        &mut self,
        types: &mut TypeSection,
        section: TypeSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        utils::parse_type_section(self, types, section)?;
        self.its_type = types.len();
        // The request, how many headers there are, and whether that is all.
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
        functions.function(self.its_type);
        Ok(())
    }

    fn parse_export_section(
        &mut self,
        exports: &mut ExportSection,
        section: ExportSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        for export in section {
            let mut export = export?;
            if let Export { name: CALLBACK, kind: ExternalKind::Func, index } = export {
                self.callback = Some(index);
                export.index = self.functions;
            }
            utils::parse_export(self, exports, export)?;
        }
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: CodeSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        utils::parse_code_section(self, code, section)?;
        let mut pausing = Function::new([]);
        let mut instructions = pausing.instructions();
        instructions.local_get(0).local_get(1).local_get(2).call(self.callback.unwrap_or_default());
        instructions.i32_const(SHIFT).i32_shl().end();
        code.function(&pausing);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A type of three numbers in and one out, one function of it, which returns the first, and its export.
    const MODULE: &[u8] = b"\0asm\x01\0\0\0\
        \x01\x08\x01\x60\x03\x7f\x7f\x7f\x01\x7f\
        \x03\x02\x01\0\
        \x07\x1c\x01\x18proxy_on_request_headers\0\0\
        \x0a\x06\x01\x04\0\x20\0\x0b";

    #[test]
    fn the_exported_function_is_a_new_one_that_calls_the_old_one() {
        let made = all_of_it(MODULE).unwrap();
        let (mut exported, mut bodies) = (Vec::new(), Vec::new());
        for payload in Parser::new(0).parse_all(&made) {
            match payload.unwrap() {
                Payload::ExportSection(exports) => {
                    exported.extend(exports.into_iter().map(|export| export.unwrap().index));
                }
                Payload::CodeSectionEntry(body) => {
                    let operators = body.get_operators_reader().unwrap();
                    bodies.push(operators.into_iter().map(|it| format!("{:?}", it.unwrap())).collect::<Vec<_>>());
                }
                _ => {}
            }
        }
        assert_eq!((exported, bodies.len()), (vec![1], 2));
        let tail = ["Call { function_index: 0 }", "I32Const { value: 2 }", "I32Shl", "End"];
        assert_eq!(bodies[1][3..], tail);
    }

    #[test]
    fn a_module_without_the_callback_is_refused() {
        assert!(all_of_it(b"wasm").is_err());
        assert!(all_of_it(b"\0asm\x01\0\0\0").is_err());
    }
}
